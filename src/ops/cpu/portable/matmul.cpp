#include "ops/cpu/kernels/matmul.h"

#include "ops/cpu/simd/portable.h"
