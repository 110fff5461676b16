// One matrix product on packed panels: what the kinds of weights share.
#pragma once

#include "ops/cpu/kernels/common.h"

namespace hearth::ops::cpu {
namespace {

struct Ahead {
  const uint8_t* at = nullptr;
  int lines = 0;  // per block
};

// Bias, residual and the type of y.
struct Epilogue {
  const float* bias;
  const HearthTensor* residual;
  const HearthTensor* y;
};

template <class Y, class R>
inline void finish_typed(const Epilogue& e, const float* c, int64_t row0, int64_t rows, int64_t col0, int64_t cols) {
  for (int64_t m = 0; m < rows; ++m, c += kPanelRows) {
    Y* y = row<Y>(*e.y, row0 + m) + col0;
    const R* r = e.residual != nullptr ? row<R>(*e.residual, row0 + m) + col0 : nullptr;
    each_vector(cols, [&](int64_t i, int n) {
      F x = load(c + i);
      if (e.bias != nullptr) x = add(x, load_some(e.bias + col0 + i, n));
      if (r != nullptr) x = add(x, load_some(r + i, n));
      store_some(y + i, x, n);
    });
  }
}
inline void finish(const Epilogue& e, const float* c, int64_t row0, int64_t rows, int64_t col0, int64_t cols) {
  with_type(e.y->dtype, [&](auto* y) {
    using Y = __typeof__(*y);
    if (e.residual == nullptr) {
      finish_typed<Y, Y>(e, c, row0, rows, col0, cols);
      return;
    }
    with_type(e.residual->dtype, [&](auto* r) { finish_typed<Y, __typeof__(*r)>(e, c, row0, rows, col0, cols); });
  });
}

struct MatmulJob {
  const uint8_t* w;
  int64_t m, n, k, panels;
  Epilogue out;
  // quantised
  const int32_t* a;  // groups of `group` rows, the last one smaller
  int64_t group;
  // float
  const HearthTensor* x;
  float* sums;  // [threads][m][kPanelRows] when k has several chunks and there is more than a tile of rows
};

inline MatmulJob job_of(const HearthOpCall* call) {
  const HearthTensor& x = call->inputs[0];
  const HearthTensor& w = call->inputs[1];
  MatmulJob job{};
  job.w = static_cast<const uint8_t*>(w.data);
  job.m = x.dims[0];
  job.k = x.dims[1];
  job.n = w.dims[0];
  job.panels = (job.n + kPanelRows - 1) / kPanelRows;
  job.out = {static_cast<const float*>(call->inputs[2].data),
             call->inputs[3].data != nullptr ? &call->inputs[3] : nullptr, &call->outputs[0]};
  return job;
}

inline bool take_sums(CpuStream& stream, MatmulJob& job) {
  const size_t each = static_cast<size_t>(job.m * kPanelRows) * 4;
  job.sums = static_cast<float*>(scratch(stream, kScratchSums, static_cast<size_t>(thread_count(stream)) * each));
  return job.sums != nullptr;
}

// Part(job, part, parts) on all threads, when m * n * k makes that worth it.
template <void (*Part)(const MatmulJob&, int, int)>
inline void run_parts(CpuStream& stream, MatmulJob& job, int64_t worth) {
  if (job.panels == 1 || job.m * job.n * job.k < worth || thread_count(stream) == 1) {
    Part(job, 0, 1);
    return;
  }
  fork(stream, [](void* p, int part, int parts) { Part(*static_cast<const MatmulJob*>(p), part, parts); }, &job);
}

}  // namespace
}  // namespace hearth::ops::cpu
