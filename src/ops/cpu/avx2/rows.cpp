#include "ops/cpu/simd/avx2.h"

#include "ops/cpu/kernels/rows.h"
