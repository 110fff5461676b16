// clang-format off: the kernels are written in the words of the header before them
#include "ops/cpu/simd/avx2.h"
#include "ops/cpu/kernels/quantised_conv.h"
