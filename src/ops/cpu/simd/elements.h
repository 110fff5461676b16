// What the vector vocabularies of all instruction sets begin with: the stored element types and the panels' format.
#pragma once

#include <stdint.h>
#include <string.h>

#include "ops/cpu/panel_format.h"

namespace hearth::ops::cpu {
namespace {

struct Half {
  uint16_t bits;
};
struct Brain {
  uint16_t bits;
};

}  // namespace
}  // namespace hearth::ops::cpu
