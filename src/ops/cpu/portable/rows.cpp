#include "ops/cpu/simd/portable.h"

#include "ops/cpu/kernels/rows.h"
