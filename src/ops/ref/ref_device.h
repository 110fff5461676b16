// The reference device: ref kernels over host memory, weights as the file has them.
#pragma once

#include <memory>

#include "ops/device.h"

namespace hearth::ops {

std::unique_ptr<Device> open_ref_device();

}  // namespace hearth::ops
