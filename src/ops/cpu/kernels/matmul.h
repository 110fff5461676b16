// y = x w^T (+ bias) (+ residual) on packed panels. Every path forms each output's sum in the same order (see the two
// files below), so a row's result does not depend on how many rows came with it, on tiles, threads or chunks.
#pragma once

#include "ops/cpu/kernels/float_matmul.h"
#include "ops/cpu/kernels/quantised_matmul.h"

extern "C" int HEARTH_CPU_ENTRY(matmul)(void* stream_, const HearthOpCall* call) {
  using namespace hearth;
  using namespace hearth::ops::cpu;
  CpuStream& stream = *static_cast<CpuStream*>(stream_);
  if (call->inputs[0].dims[0] == 0 || call->inputs[1].dims[0] == 0) return HEARTH_OK;
  switch (static_cast<DType>(call->inputs[1].dtype)) {
    case DType::F32:
      return float_matmul<float>(stream, call);
    case DType::F16:
      return float_matmul<Half>(stream, call);
    case DType::BF16:
      return float_matmul<Brain>(stream, call);
    case DType::Q4_0:
      return quantised_matmul<kFormatQ4_0>(stream, call, 8);
    case DType::Q4_1:
      return quantised_matmul<kFormatQ4_1>(stream, call, 0);
    case DType::Q4_K:
      return quantised_matmul<kFormatQ4K>(stream, call, 0);
    case DType::Q5_0:
      return quantised_matmul<kFormatQ5_0>(stream, call, 16);
    case DType::Q5_1:
      return quantised_matmul<kFormatQ5_1>(stream, call, 0);
    case DType::Q5_K:
      return quantised_matmul<kFormatQ5K>(stream, call, 0);
    case DType::Q6_K:
      return quantised_matmul<kFormatQ6K>(stream, call, 32);
    case DType::Q8_0:
      return quantised_matmul<kFormatQ8_0>(stream, call, 128);
    default:
      return HEARTH_UNSUPPORTED;
  }
}
