#include "ops/cpu/kernels/attention.h"

#include "ops/cpu/simd/portable.h"
