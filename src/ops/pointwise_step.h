// The steps of ops/pointwise.inc as an enum.
#pragma once

#include <stdint.h>

namespace hearth::ops {

enum class Pointwise : uint8_t {
#define HEARTH_POINTWISE_OPERAND(Name, ...) Name,
#define HEARTH_POINTWISE(Name, ...) Name,
#include "ops/pointwise.inc"
};

constexpr bool has_operand(Pointwise step) {
  return step <= Pointwise::Prelu;
}

}  // namespace hearth::ops
