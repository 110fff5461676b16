#include "ops/cpu/kernels/attention.h"

#include "ops/cpu/simd/avx2.h"
