// Which devices this build and machine serve; everything else is refused with what is missing.
#pragma once

#include "pyflame_rt/core/options.hpp"

namespace pyflame_rt {

// Unsupported unless options.device, or one of its fallbacks, is served here.
void check_device(const SessionOptions& options);

}  // namespace pyflame_rt
