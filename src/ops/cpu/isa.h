// Instruction sets that the CPU kernels exist for, and which of them this machine has.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth::ops::cpu {

enum class Isa { Portable, Avx2, Avx512 };

std::string_view to_string(Isa isa);

// Flags of /proc/cpuinfo spelling that the set needs and this machine (processor or operating system) lacks.
std::vector<std::string> missing_flags(Isa isa);

Isa best_isa();

// Whether the processor multiplies vectors of brain-float pairs (avx512_bf16), which no set above includes.
bool has_bf16_dot();

// `requested`: "" takes HEARTH_ISA when that is set, else the best of the machine. A set the machine lacks is an error.
Result<Isa> choose_isa(std::string_view requested);

}  // namespace hearth::ops::cpu
