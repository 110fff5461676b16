#include "ops/cpu/kernels/matmul.h"

#include "ops/cpu/simd/avx512.h"
