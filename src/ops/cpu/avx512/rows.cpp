#include "ops/cpu/kernels/rows.h"

#include "ops/cpu/simd/avx512.h"
