// The CPU device: memory of the host, weights in panels, kernels of one instruction set chosen when it is opened.
#pragma once

#include <memory>

#include "base/result.h"
#include "ops/device.h"

namespace hearth::ops {

// Unsupported or Usage when options.isa (or HEARTH_ISA) cannot be had here; threads = 0 takes every core this process
// may use.
Result<std::unique_ptr<Device>> open_cpu_device(const DeviceOptions& options);

}  // namespace hearth::ops
