// top_k and sample: the front of a row's order without sorting the row. The k-th largest maximum of its segments bounds
// the k-th largest value from below, so few values besides the wanted ones are collected and sorted.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/cpu/kernels.h"
#include "ops/cpu/stream.h"

using namespace hearth;
using namespace hearth::ops;
using namespace hearth::ops::cpu;

namespace {

constexpr int64_t kSegment = 64;
constexpr int64_t kFirstFront = 128;  // candidates that a draw looks at first
constexpr float kNone = -std::numeric_limits<float>::infinity();

struct Scratch {
  double* weights;   // [n]
  int32_t* indices;  // [n]
  float* segments;   // [ceil(n / kSegment)]
};

// The first `wanted` values of the row's order (or all); their count. Values of -inf come last of all.
int64_t front(const RowScan& scan, const float* x, int64_t n, int64_t wanted, const Scratch& s) {
  const int64_t segments = (n + kSegment - 1) / kSegment;
  float least = kNone;
  if (wanted < segments) {
    scan.segments(x, n, kSegment, s.segments);
    std::nth_element(s.segments, s.segments + (wanted - 1), s.segments + segments, std::greater<>());
    least = s.segments[wanted - 1];
  }
  int64_t count = scan.collect(x, n, least, s.indices);
  const auto before = [x](int32_t a, int32_t b) { return x[a] != x[b] ? x[a] > x[b] : a < b; };
  if (count > wanted) {
    std::nth_element(s.indices, s.indices + (wanted - 1), s.indices + count, before);
    count = wanted;
  }
  std::sort(s.indices, s.indices + count, before);
  return count;
}

struct Draw {
  float temperature, top_p, min_p, uniform;
  int32_t top_k;
};

int32_t draw(const RowScan& scan, const float* x, int64_t n, const Draw& d, const Scratch& s) {
  int nan = 0;
  const float most = scan.most(x, n, &nan);
  if (nan != 0 || std::isinf(most) || n == 0) return -1;
  if (d.temperature <= 0) {
    scan.collect(x, n, most, s.indices);
    return s.indices[0];
  }
  const double temperature = static_cast<double>(d.temperature), peak = static_cast<double>(most);
  const auto weight = [&](int64_t i) { return std::exp((static_cast<double>(x[s.indices[i]]) - peak) / temperature); };
  const bool limited = d.top_k > 0 && d.top_k < n;
  // Without top_k the mass of the whole row is known from one pass, and the front of the order usually decides.
  int64_t wanted = limited ? d.top_k : std::min(n, kFirstFront);
  const double whole = limited ? 0 : scan.mass(x, n, most, static_cast<float>(1.0 / temperature));
  int64_t known = 0;  // weights of the order's first values: a longer front begins with the same ones
  for (;; wanted = std::min(n, wanted * 8)) {
    int64_t kept = front(scan, x, n, wanted, s);
    const bool complete = limited || wanted >= n;
    if (limited) kept = std::min<int64_t>(kept, d.top_k);
    // min_p and vanished weights cut the end of the order; below the cut nothing counts.
    const double bound = d.min_p > 0 ? static_cast<double>(d.min_p) : 0.0;
    bool cut = false;
    double total = 0;
    int64_t count = 0;
    for (; count < kept; ++count) {
      if (count >= known) s.weights[count] = weight(count);
      const double w = s.weights[count];
      if (count > 0 && (w == 0 || w < bound)) {
        cut = true;
        break;
      }
      total += w;
    }
    kept = count;
    known = std::max(known, count);
    if (!complete && !cut) {
      if (bound > 0) continue;  // the mass that min_p keeps is not known yet
      total = whole;
    }
    const double target_p = d.top_p < 1 ? static_cast<double>(d.top_p) * total : total;
    double running = 0;
    bool reached = d.top_p >= 1;
    if (d.top_p < 1) {
      for (int64_t i = 0; i < kept && !reached; ++i) {
        running += s.weights[i];
        if (running >= target_p) {
          kept = i + 1;
          total = running;
          reached = true;
        }
      }
      if (!reached && !complete && !cut) continue;
    }
    running = 0;
    for (int64_t i = 0; i < kept; ++i) {
      running += s.weights[i];
      if (running > static_cast<double>(d.uniform) * total) return s.indices[i];
    }
    if (complete || cut || (d.top_p < 1 && reached)) return s.indices[kept - 1];
  }
}

Scratch scratch_for(CpuStream& stream, int64_t n) {
  const size_t count = static_cast<size_t>(n), segments = (count + kSegment - 1) / kSegment;
  void* memory =
      scratch(stream, kScratchRows, count * (sizeof(double) + sizeof(int32_t)) + segments * sizeof(float) + 64);
  if (memory == nullptr) return {};
  auto* weights = static_cast<double*>(memory);
  auto* indices = reinterpret_cast<int32_t*>(weights + n);
  return {weights, indices, reinterpret_cast<float*>(indices + n)};
}

float float_at(const HearthTensor& t, int64_t i) {
  return static_cast<const float*>(t.data)[i * t.strides[0]];
}

}  // namespace

int hearth_cpu_top_k(void* stream_, const HearthOpCall* call) {
  CpuStream& stream = *static_cast<CpuStream*>(stream_);
  const HearthTensor &x = call->inputs[0], &values = call->outputs[0], &indices = call->outputs[1];
  const int64_t n = x.dims[1], k = values.dims[1];
  if (k == 0) return HEARTH_OK;
  const Scratch s = scratch_for(stream, n);
  if (s.indices == nullptr) return HEARTH_NO_MEMORY;
  for (int64_t i = 0; i < x.dims[0]; ++i) {
    const float* row = static_cast<const float*>(x.data) + i * x.strides[0];
    int nan = 0;
    stream.scan->most(row, n, &nan);
    if (nan != 0) return HEARTH_INVALID;  // NaN has no place in an order
    front(*stream.scan, row, n, k, s);
    for (int64_t j = 0; j < k; ++j) {
      static_cast<float*>(values.data)[i * values.strides[0] + j] = row[s.indices[j]];
      static_cast<int32_t*>(indices.data)[i * indices.strides[0] + j] = s.indices[j];
    }
  }
  return HEARTH_OK;
}

int hearth_cpu_sample(void* stream_, const HearthOpCall* call) {
  CpuStream& stream = *static_cast<CpuStream*>(stream_);
  const HearthTensor &x = call->inputs[0], &token = call->outputs[0];
  const Scratch s = scratch_for(stream, x.dims[1]);
  if (s.indices == nullptr) return HEARTH_NO_MEMORY;
  for (int64_t i = 0; i < x.dims[0]; ++i) {
    const HearthTensor& top_k = call->inputs[2];
    const Draw d{float_at(call->inputs[1], i), float_at(call->inputs[3], i), float_at(call->inputs[4], i),
                 float_at(call->inputs[5], i), static_cast<const int32_t*>(top_k.data)[i * top_k.strides[0]]};
    static_cast<int32_t*>(token.data)[i * token.strides[0]] =
        draw(*stream.scan, static_cast<const float*>(x.data) + i * x.strides[0], x.dims[1], d, s);
  }
  return HEARTH_OK;
}
