// The C entry points of the CPU kernels, one set per instruction set, and those that are the same for all.
#pragma once

#include "ops/cpu/select.h"
#include "ops/op.h"

// Ops with a kernel per instruction set.
#define HEARTH_CPU_ISA_OPS(OP)        \
  OP(Matmul, matmul)                  \
  OP(RmsNorm, rms_norm)               \
  OP(Rope, rope)                      \
  OP(KvWrite, kv_write)               \
  OP(PagedAttention, paged_attention) \
  OP(GatedSilu, gated_silu)           \
  OP(GatedGelu, gated_gelu)           \
  OP(Add, add)                        \
  OP(Softcap, softcap)                \
  OP(Softmax, softmax)                \
  OP(LogSoftmax, log_softmax)         \
  OP(Entropy, entropy)                \
  OP(MaskLogits, mask_logits)         \
  OP(Convert, convert)

#define HEARTH_CPU_DECLARE(isa)                                                                      \
  float hearth_cpu_##isa##_scan_most(const float* x, int64_t n, int* nan);                           \
  void hearth_cpu_##isa##_scan_segments(const float* x, int64_t n, int64_t segment, float* most);    \
  int64_t hearth_cpu_##isa##_scan_collect(const float* x, int64_t n, float least, int32_t* indices); \
  double hearth_cpu_##isa##_scan_mass(const float* x, int64_t n, float most, float factor);

extern "C" {
#define HEARTH_CPU_OP(Name, name)                                         \
  int hearth_cpu_portable_##name(void* stream, const HearthOpCall* call); \
  int hearth_cpu_avx2_##name(void* stream, const HearthOpCall* call);     \
  int hearth_cpu_avx512_##name(void* stream, const HearthOpCall* call);
HEARTH_CPU_ISA_OPS(HEARTH_CPU_OP)
#undef HEARTH_CPU_OP
HEARTH_CPU_DECLARE(portable)
HEARTH_CPU_DECLARE(avx2)
HEARTH_CPU_DECLARE(avx512)

// Plain code around copies and the scans of stream->scan.
int hearth_cpu_gather_rows(void* stream, const HearthOpCall* call);
int hearth_cpu_top_k(void* stream, const HearthOpCall* call);
int hearth_cpu_sample(void* stream, const HearthOpCall* call);
int hearth_cpu_copy_pages(void* stream, const HearthOpCall* call);
}
