// Packs the constant weights of convolutions and matrix products for the kernels of this machine
// (ops/cpu/dense.h): what the pass pack_weights is given.
#pragma once

#include "ops/cpu/dense.h"
#include "passes/pipeline.h"

namespace hearth::runtime {

// `factors`: the type of the packed numbers, where the algorithm has a choice. Weights that several nodes share are
// packed once.
passes::Pack make_packer(ops::cpu::Factors factors);

}  // namespace hearth::runtime
