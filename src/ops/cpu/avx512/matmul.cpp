#include "ops/cpu/simd/avx512.h"

#include "ops/cpu/kernels/matmul.h"
