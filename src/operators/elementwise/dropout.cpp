// Dropout. Training draws one uniform number an element, in order, from the Mersenne twister as NumPy seeds and reads
// it, so that a seed drops what it drops in the operator's published examples.
#include <unistd.h>

#include <random>

#include "operators/convert.h"
#include "operators/elementwise/kernels.h"

namespace hearth::operators::elementwise {

namespace {

Result<> all_kept(Call& call, DType mask_type) {
  if (!call.wants(1)) return {};
  ASSIGN_OR_RETURN(Tensor * mask, call.output(1, mask_type, call.input(0).dims()));
  const float one = 1;
  std::byte bytes[8];
  from_floats(&one, mask_type, bytes, 1);
  const int64_t width = bytes_of(mask_type, 1);
  for (int64_t i = 0; i < mask->size(); ++i)
    std::copy_n(bytes, width, static_cast<std::byte*>(element_at(mask_type, mask->mutable_raw(), i)));
  return {};
}

Result<double> ratio_of(const Call& call) {
  if (!call.has(1)) return 0.5;
  ASSIGN_OR_RETURN(const Tensor* given, call.tensor(1));
  if (given->size() != 1 || !is_float(given->dtype()))
    return call.invalid("ratio; got {} elements of {}, need one float", given->size(), to_string(given->dtype()));
  double ratio = 0;
  to_doubles(given->dtype(), given->raw(), &ratio, 1);
  if (!(ratio >= 0 && ratio < 1)) return call.invalid("ratio; got {}, need at least 0 and less than 1", ratio);
  return ratio;
}

Result<bool> training_of(const Call& call) {
  if (!call.has(2)) return false;
  ASSIGN_OR_RETURN(const Tensor* given, call.tensor(2));
  if (given->size() != 1 || given->dtype() != DType::Bool)
    return call.invalid("training_mode; got {} elements of {}, need one bool", given->size(),
                        to_string(given->dtype()));
  return *given->data<uint8_t>() != 0;
}

Result<uint32_t> seed_of(const Call& call) {
  if (call.node().has("seed")) return static_cast<uint32_t>(call.node().int_or("seed", 0));
  uint32_t seed = 0;
  if (getentropy(&seed, sizeof seed) != 0) return call.invalid("the system gave no random seed");
  return seed;
}

double uniform(std::mt19937& generator) {  // 53 random bits in [0, 1)
  const uint32_t high = generator() >> 5, low = generator() >> 6;
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

}  // namespace

// Nothing is dropped: these versions have no training mode. The mask is of the data's type before opset 10.
Result<> dropout_7(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  TRY(all_kept(call, call.opset() < 10 ? x->dtype() : DType::Bool));
  call.set_output(0, *x);
  return {};
}

Result<> dropout_12(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const bool training, training_of(call));
  ASSIGN_OR_RETURN(const double ratio, training ? ratio_of(call) : Result<double>(0.0));
  if (!training || ratio == 0) {
    TRY(all_kept(call, DType::Bool));
    call.set_output(0, *x);
    return {};
  }
  if (!is_float(x->dtype())) return call.unsupported("element type; got {}", to_string(x->dtype()));
  ASSIGN_OR_RETURN(const uint32_t seed, seed_of(call));
  std::mt19937 generator(seed);
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, x->dtype(), x->dims()));
  Tensor* mask = nullptr;
  if (call.wants(1)) {
    ASSIGN_OR_RETURN(mask, call.output(1, DType::Bool, x->dims()));
  }
  const double scale = 1.0 / (1.0 - ratio);
  double values[kChunk];
  for (int64_t begin = 0; begin < x->size(); begin += kChunk) {
    const int64_t n = std::min(kChunk, x->size() - begin);
    to_doubles(x->dtype(), element_at(x->dtype(), x->raw(), begin), values, n);
    for (int64_t i = 0; i < n; ++i) {
      const bool kept = uniform(generator) >= ratio;
      values[i] = kept ? values[i] * scale : values[i] * 0;  // 0 * inf is NaN in the definition as well
      if (mask != nullptr) mask->mutable_data<uint8_t>()[begin + i] = kept ? 1 : 0;
    }
    from_doubles(values, y->dtype(), element_at(y->dtype(), y->mutable_raw(), begin), n);
  }
  return {};
}

}  // namespace hearth::operators::elementwise
