// Ops on rows: norm, rotary embedding, gates, sums, softmax and its kin. A row is one thread's work and is done in one
// order, so its result depends on nothing else.
#pragma once

#include <math.h>

#include "ops/cpu/kernels/common.h"

namespace hearth::ops::cpu {
namespace {

// fn(i) for every row, fn generic over nothing: the element type is chosen outside.
template <class T, class Function>
inline void unary_rows(CpuStream& stream, const HearthTensor& x, const HearthTensor& y, int64_t cost,
                       const Function& fn) {
  const int64_t n = y.dims[1];
  for_range(stream, y.dims[0], n * cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) fn(row<T>(x, i), row<T>(y, i), n);
  });
}

template <class T>
inline void norm_row(const T* x, const float* w, T* y, int64_t n, float eps, float weight_offset) {
  F s0 = fzero(), s1 = fzero();
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const F a = load(x + i), b = load(x + i + kLanes);
    s0 = fma(a, a, s0);
    s1 = fma(b, b, s1);
  }
  for (; i < n; i += kLanes) {
    const F a = load_some(x + i, static_cast<int>(smaller(kLanes, n - i)));
    s0 = fma(a, a, s0);
  }
  const float mean = sum_lanes(add(s0, s1)) / static_cast<float>(n);
  const F factor = fset(1.0f / sqrtf(mean + eps)), offset = fset(weight_offset);
  each_vector(n, [&](int64_t j, int k) {
    store_some(y + j, mul(mul(load_some(x + j, k), factor), add(load_some(w + j, k), offset)), k);
  });
}

inline F gate_silu(F g) {
  return div(g, add(fset(1.0f), exp(sub(fzero(), g))));
}
inline F gate_gelu(F g) {
  const F inner = mul(fset(0.7978845608f), fma(mul(fset(0.044715f), mul(g, g)), g, g));
  // 0.5 g (1 + tanh u) = g / (1 + e^-2u)
  return div(g, add(fset(1.0f), exp(mul(fset(-2.0f), inner))));
}

template <class Gate>
inline int gated(CpuStream& stream, const HearthOpCall* call, const Gate& gate) {
  const HearthTensor &x = call->inputs[0], &y = call->outputs[0];
  if (x.dims[1] != 2 * y.dims[1]) return HEARTH_INVALID;
  return with_type(x.dtype,
                   [&](auto* t) {
                     using T = __typeof__(*t);
                     unary_rows<T>(stream, x, y, 8, [&](const T* a, T* b, int64_t n) {
                       each_vector(n, [&](int64_t i, int k) {
                         store_some(b + i, mul(gate(load_some(a + i, k)), load_some(a + n + i, k)), k);
                       });
                     });
                   })
             ? HEARTH_OK
             : HEARTH_UNSUPPORTED;
}

template <class T>
inline F row_most(const T* x, int64_t n) {
  F m = fset(-INFINITY);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) m = max(load(x + i), m);
  if (i < n) m = max(keep_range(load(x + i, static_cast<int>(n - i)), 0, n - i, fset(-INFINITY)), m);
  return m;
}

// e^((x - most) * factor) of the lanes in use, 0 in the others.
template <class T>
inline F exp_some(const T* x, int n, float most, float factor) {
  const F e = exp(mul(sub(load_some(x, n), fset(most)), fset(factor)));
  return n == kLanes ? e : keep_range(e, 0, n, fzero());
}

template <class T>
inline double row_mass(const T* x, int64_t n, float most, float factor) {
  double total = 0;
  for (int64_t i = 0; i < n;) {  // vectors are summed in f32 in short runs, the runs in f64
    F s = fzero();
    for (int64_t end = smaller(n, i + 16 * kLanes); i < end; i += kLanes)
      s = add(s, exp_some(x + i, static_cast<int>(smaller(kLanes, n - i)), most, factor));
    total += sum_lanes_double(s);
  }
  return total;
}

}  // namespace
}  // namespace hearth::ops::cpu

#define HEARTH_ROWS_PROLOGUE                             \
  using namespace hearth::ops;                           \
  using namespace hearth::ops::cpu;                      \
  CpuStream& stream = *static_cast<CpuStream*>(stream_); \
  const HearthTensor &x = call->inputs[0], &y = call->outputs[0]

extern "C" int HEARTH_CPU_ENTRY(rms_norm)(void* stream_, const HearthOpCall* call) {
  HEARTH_ROWS_PROLOGUE;
  const auto& a = attributes_of<RmsNormAttributes>(call);
  const auto* w = static_cast<const float*>(call->inputs[1].data);
  const int64_t n = call->inputs[1].dims[0], heads = y.rank == 3 ? y.dims[1] : 1;
  return with_type(x.dtype,
                   [&](auto* t) {
                     using T = __typeof__(*t);
                     for_range(stream, y.dims[0] * heads, n * 2, [&](int64_t begin, int64_t end) {
                       for (int64_t i = begin; i < end; ++i) {
                         const int64_t at = i % heads * n;
                         norm_row(row<T>(x, i / heads) + at, w, row<T>(y, i / heads) + at, n, a.eps, a.weight_offset);
                       }
                     });
                   })
             ? HEARTH_OK
             : HEARTH_UNSUPPORTED;
}

extern "C" int HEARTH_CPU_ENTRY(rope)(void* stream_, const HearthOpCall* call) {
  HEARTH_ROWS_PROLOGUE;
  const auto& a = attributes_of<RopeAttributes>(call);
  const int64_t m = x.dims[0], heads = x.dims[1], d = x.dims[2], r = call->inputs[2].dims[0];
  if (2 * r > d) return HEARTH_INVALID;
  const float* table = rope_table(stream, static_cast<const int32_t*>(call->inputs[1].data), m,
                                  static_cast<const float*>(call->inputs[2].data), r, a.attention_factor);
  if (table == nullptr) return HEARTH_NO_MEMORY;
  return with_type(x.dtype,
                   [&](auto* t) {
                     using T = __typeof__(*t);
                     for_range(stream, m, heads * d * 2, [&](int64_t begin, int64_t end) {
                       for (int64_t i = begin; i < end; ++i) {
                         const float *cosine = table + i * r, *sine = table + (m + i) * r;
                         for (int64_t h = 0; h < heads; ++h) {
                           const T* from = row<T>(x, i) + h * x.strides[1];
                           T* to = row<T>(y, i) + h * y.strides[1];
                           if (a.interleaved != 0) {
                             each_vector(r, [&](int64_t j, int n) {
                               alignas(64) T even[kLanes] = {}, odd[kLanes] = {};
                               for (int l = 0; l < n; ++l) {
                                 even[l] = from[2 * (j + l)];
                                 odd[l] = from[2 * (j + l) + 1];
                               }
                               const F p = load(even), q = load(odd);
                               const F c = load_some(cosine + j, n), s = load_some(sine + j, n);
                               store(even, fnma(q, s, mul(p, c)));
                               store(odd, fma(p, s, mul(q, c)));
                               for (int l = 0; l < n; ++l) {
                                 to[2 * (j + l)] = even[l];
                                 to[2 * (j + l) + 1] = odd[l];
                               }
                             });
                           } else {
                             each_vector(r, [&](int64_t j, int n) {
                               const F p = load_some(from + j, n), q = load_some(from + r + j, n);
                               const F c = load_some(cosine + j, n), s = load_some(sine + j, n);
                               store_some(to + j, fnma(q, s, mul(p, c)), n);
                               store_some(to + r + j, fma(p, s, mul(q, c)), n);
                             });
                           }
                           if (from != to && 2 * r < d)
                             memmove(to + 2 * r, from + 2 * r, static_cast<size_t>(d - 2 * r) * sizeof(T));
                         }
                       }
                     });
                   })
             ? HEARTH_OK
             : HEARTH_UNSUPPORTED;
}

extern "C" int HEARTH_CPU_ENTRY(gated_silu)(void* stream_, const HearthOpCall* call) {
  using namespace hearth::ops::cpu;
  return gated(*static_cast<CpuStream*>(stream_), call, [](F g) { return gate_silu(g); });
}

extern "C" int HEARTH_CPU_ENTRY(gated_gelu)(void* stream_, const HearthOpCall* call) {
  using namespace hearth::ops::cpu;
  return gated(*static_cast<CpuStream*>(stream_), call, [](F g) { return gate_gelu(g); });
}

extern "C" int HEARTH_CPU_ENTRY(add)(void* stream_, const HearthOpCall* call) {
  HEARTH_ROWS_PROLOGUE;
  const HearthTensor& z = call->inputs[1];
  const int64_t n = x.dims[1];
  with_type(x.dtype, [&](auto* t) {
    with_type(z.dtype, [&](auto* u) {
      using T = __typeof__(*t);
      using U = __typeof__(*u);
      for_range(stream, x.dims[0], n, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const T* from = row<T>(x, i);
          const U* other = row<U>(z, i);
          T* to = row<T>(y, i);
          each_vector(n, [&](int64_t j, int k) {
            store_some(to + j, hearth::ops::cpu::add(load_some(from + j, k), load_some(other + j, k)), k);
          });
        }
      });
    });
  });
  return HEARTH_OK;
}

extern "C" int HEARTH_CPU_ENTRY(softcap)(void* stream_, const HearthOpCall* call) {
  HEARTH_ROWS_PROLOGUE;
  const F cap = fset(attributes_of<SoftcapAttributes>(call).cap);
  return with_type(x.dtype,
                   [&](auto* t) {
                     using T = __typeof__(*t);
                     unary_rows<T>(stream, x, y, 8, [&](const T* from, T* to, int64_t n) {
                       each_vector(n, [&](int64_t i, int k) {
                         store_some(to + i, mul(cap, hearth::ops::cpu::tanh(div(load_some(from + i, k), cap))), k);
                       });
                     });
                   })
             ? HEARTH_OK
             : HEARTH_UNSUPPORTED;
}

extern "C" int HEARTH_CPU_ENTRY(softmax)(void* stream_, const HearthOpCall* call) {
  HEARTH_ROWS_PROLOGUE;
  const float temperature = attributes_of<SoftmaxAttributes>(call).temperature;
  return with_type(x.dtype,
                   [&](auto* t) {
                     using T = __typeof__(*t);
                     unary_rows<T>(stream, x, y, 8, [&](const T* from, T* to, int64_t n) {
                       const float most = max_lanes(row_most(from, n));
                       if (temperature <= 0) {
                         int64_t at = -1;
                         for (int64_t i = 0; i < n; ++i) {
                           alignas(64) float one[kLanes];
                           store(one, load(from + i, 1));
                           const bool here = at < 0 && one[0] == most;
                           if (here) at = i;
                           store(to + i, fset(here ? 1.0f : 0.0f), 1);
                         }
                         return;
                       }
                       const float factor = 1.0f / temperature;
                       const F scale = fset(static_cast<float>(1.0 / row_mass(from, n, most, factor)));
                       each_vector(n, [&](int64_t i, int k) {
                         store_some(to + i, mul(exp_some(from + i, k, most, factor), scale), k);
                       });
                     });
                   })
             ? HEARTH_OK
             : HEARTH_UNSUPPORTED;
}

extern "C" int HEARTH_CPU_ENTRY(log_softmax)(void* stream_, const HearthOpCall* call) {
  HEARTH_ROWS_PROLOGUE;
  return with_type(x.dtype,
                   [&](auto* t) {
                     using T = __typeof__(*t);
                     const int64_t n = x.dims[1];
                     for_range(stream, x.dims[0], n * 6, [&](int64_t begin, int64_t end) {
                       for (int64_t i = begin; i < end; ++i) {
                         const T* from = row<T>(x, i);
                         float* to = row<float>(y, i);
                         const float most = max_lanes(row_most(from, n));
                         const F shift =
                             fset(static_cast<float>(static_cast<double>(most) + ::log(row_mass(from, n, most, 1.0f))));
                         each_vector(
                             n, [&](int64_t j, int k) { store_some(to + j, sub(load_some(from + j, k), shift), k); });
                       }
                     });
                   })
             ? HEARTH_OK
             : HEARTH_UNSUPPORTED;
}

extern "C" int HEARTH_CPU_ENTRY(entropy)(void* stream_, const HearthOpCall* call) {
  HEARTH_ROWS_PROLOGUE;
  return with_type(x.dtype,
                   [&](auto* t) {
                     using T = __typeof__(*t);
                     const int64_t n = x.dims[1];
                     for_range(stream, x.dims[0], n * 8, [&](int64_t begin, int64_t end) {
                       for (int64_t i = begin; i < end; ++i) {
                         const T* from = row<T>(x, i);
                         const float most = max_lanes(row_most(from, n));
                         double mass = 0, weighted = 0;
                         for (int64_t j = 0; j < n;) {
                           F s = fzero(), u = fzero();
                           for (int64_t stop = smaller(n, j + 16 * kLanes); j < stop; j += kLanes) {
                             const int k = static_cast<int>(smaller(kLanes, n - j));
                             const F e = exp_some(from + j, k, most, 1.0f);
                             s = hearth::ops::cpu::add(s, e);
                             // -inf weighs 0: keep its product 0 too
                             u = hearth::ops::cpu::fma(
                                 e, hearth::ops::cpu::max(fset(-1e30f), sub(load_some(from + j, k), fset(most))), u);
                           }
                           mass += sum_lanes_double(s);
                           weighted += sum_lanes_double(u);
                         }
                         static_cast<float*>(y.data)[i * y.strides[0]] =
                             static_cast<float>(::log(mass) - weighted / mass);
                       }
                     });
                   })
             ? HEARTH_OK
             : HEARTH_UNSUPPORTED;
}

extern "C" int HEARTH_CPU_ENTRY(mask_logits)(void* stream_, const HearthOpCall* call) {
  HEARTH_ROWS_PROLOGUE;
  const HearthTensor& mask = call->inputs[1];
  const int64_t n = x.dims[1];
  if (mask.dims[1] < (n + 31) / 32) return HEARTH_INVALID;
  for_range(stream, x.dims[0], n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* from = row<float>(x, i);
      const uint32_t* bits = row<uint32_t>(mask, i);
      float* to = row<float>(y, i);
      each_vector(n, [&](int64_t j, int k) {
        store_some(to + j, keep_bits(load_some(from + j, k), bits[j / 32] >> (j % 32), fset(-INFINITY)), k);
      });
    }
  });
  return HEARTH_OK;
}

extern "C" int HEARTH_CPU_ENTRY(convert)(void* stream_, const HearthOpCall* call) {
  HEARTH_ROWS_PROLOGUE;
  const int64_t n = x.dims[1];
  with_type(x.dtype, [&](auto* t) {
    with_type(y.dtype, [&](auto* u) {
      using T = __typeof__(*t);
      using U = __typeof__(*u);
      for_range(stream, x.dims[0], n, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          each_vector(n, [&](int64_t j, int k) { store_some(row<U>(y, i) + j, load_some(row<T>(x, i) + j, k), k); });
      });
    });
  });
  return HEARTH_OK;
}

// ---- what top_k and sample need of a long row; see ops/cpu/select.h
extern "C" float HEARTH_CPU_ENTRY(scan_most)(const float* x, int64_t n, int* nan) {
  using namespace hearth::ops::cpu;
  F m = fset(-INFINITY);
  uint32_t ordered = ~0u;
  each_vector(n, [&](int64_t i, int k) {
    F v = load_some(x + i, k);
    if (k != kLanes) v = keep_range(v, 0, k, fset(-INFINITY));
    m = hearth::ops::cpu::max(v, m);
    ordered &= bits_at_least(v, v);
  });
  constexpr uint32_t kAll = (1u << kLanes) - 1u;
  *nan = (ordered & kAll) == kAll ? 0 : 1;
  return max_lanes(m);
}

extern "C" void HEARTH_CPU_ENTRY(scan_segments)(const float* x, int64_t n, int64_t segment, float* most) {
  using namespace hearth::ops::cpu;
  for (int64_t s = 0; s * segment < n; ++s)
    most[s] = max_lanes(row_most(x + s * segment, smaller(segment, n - s * segment)));
}

extern "C" int64_t HEARTH_CPU_ENTRY(scan_collect)(const float* x, int64_t n, float least, int32_t* indices) {
  using namespace hearth::ops::cpu;
  int64_t count = 0;
  const F bound = fset(least);
  each_vector(n, [&](int64_t i, int k) {
    uint32_t bits = bits_at_least(load_some(x + i, k), bound);
    if (k != kLanes) bits &= (1u << k) - 1u;
    for (; bits != 0; bits &= bits - 1) indices[count++] = static_cast<int32_t>(i + __builtin_ctz(bits));
  });
  return count;
}

extern "C" double HEARTH_CPU_ENTRY(scan_mass)(const float* x, int64_t n, float most, float factor) {
  return hearth::ops::cpu::row_mass(x, n, most, factor);
}
