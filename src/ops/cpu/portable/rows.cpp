#include "ops/cpu/kernels/rows.h"

#include "ops/cpu/simd/portable.h"
