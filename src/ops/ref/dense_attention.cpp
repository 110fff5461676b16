#include <cmath>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::dense_attention(const HearthOpCall& call) {
  const HearthTensor &q = call.inputs[0], &k = call.inputs[1], &v = call.inputs[2], &mask = call.inputs[3];
  const HearthTensor& y = call.outputs[0];
  const double scale = double{ref::attributes<DenseAttentionAttributes>(call).scale};
  const int64_t heads = q.dims[2], keys = k.dims[1], size = q.dims[3], value_size = v.dims[3];
  const auto masked = [&](int64_t b, int64_t h, int64_t row, int64_t key) {
    if (!ref::present(mask)) return 0.0;
    const auto& d = mask.dims;
    return ref::load(DType::F32, ref::address(mask, {d[0] == 1 ? 0 : b, d[1] == 1 ? 0 : h, d[2] == 1 ? 0 : row}),
                     d[3] == 1 ? 0 : key);
  };
  std::vector<double> weights(static_cast<size_t>(keys)), sums(static_cast<size_t>(value_size));
  for (int64_t b = 0; b < q.dims[0]; ++b)
    for (int64_t row = 0; row < q.dims[1]; ++row)
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t g = h / (heads / k.dims[2]);
        const char* from = ref::address(q, {b, row, h});
        double most = -std::numeric_limits<double>::infinity(), total = 0;
        for (int64_t j = 0; j < keys; ++j) {
          const char* key = ref::address(k, {b, j, g});
          double dot = 0;
          for (int64_t i = 0; i < size; ++i) dot += ref::load(DType::F32, from, i) * ref::load(DType::F32, key, i);
          const double score = weights[static_cast<size_t>(j)] = dot * scale + masked(b, h, row, j);
          most = std::isnan(score) || score > most ? score : most;
        }
        for (double& weight : weights) total += weight = std::exp(weight - most);  // NaN when all are hidden
        std::fill(sums.begin(), sums.end(), 0.0);
        for (int64_t j = 0; j < keys; ++j) {
          const char* value = ref::address(v, {b, j, g});
          for (int64_t i = 0; i < value_size; ++i)
            sums[static_cast<size_t>(i)] += weights[static_cast<size_t>(j)] / total * ref::load(DType::F32, value, i);
        }
        for (int64_t i = 0; i < value_size; ++i)
          ref::store(DType::F32, ref::address(y, {b, row, h}), i, sums[static_cast<size_t>(i)]);
      }
  return HEARTH_OK;
}
