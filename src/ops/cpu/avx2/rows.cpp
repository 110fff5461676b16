#include "ops/cpu/kernels/rows.h"

#include "ops/cpu/simd/avx2.h"
