// clang-format off: the kernels are written in the words of the header before them
#include "ops/cpu/simd/portable.h"
#include "ops/cpu/kernels/quantised_bytes.h"
#include "ops/cpu/kernels/quantised_depthwise_kernel.h"
