#include "ops/cpu/kernels/matmul.h"

#include "ops/cpu/simd/avx2.h"
