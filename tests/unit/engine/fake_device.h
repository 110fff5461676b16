// A device of plain loops for what the engine itself runs: row ops of sampling and page copies. Memory is the heap.
#pragma once

#include <cstdint>

#include "ops/device.h"

namespace hearth::engine {

std::unique_ptr<ops::Device> fake_device();

}  // namespace hearth::engine
