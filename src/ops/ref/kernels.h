// The reference kernels: plain scalar code in f64 that defines what each op of ops.inc means. They serve every valid
// call on Plain tensors and keep no state; `stream` is ignored. One file per op holds hearth::ops::ref::<op>, which may
// throw when memory is short; table.cpp makes the C entry points of them.
#pragma once

#include "ops/op.h"

extern "C" {
#define HEARTH_OP(Name, name, ...) int hearth_ref_##name(void* stream, const HearthOpCall* call);
#include "ops/ops.inc"
#undef HEARTH_OP
}

namespace hearth::ops::ref {
#define HEARTH_OP(Name, name, ...) int name(const HearthOpCall& call);
#include "ops/ops.inc"
#undef HEARTH_OP
}  // namespace hearth::ops::ref
