// A public custom operator as the runtime calls it.
#pragma once

#include "pyflame_rt/core/options.hpp"
#include "runtime/program.h"

namespace pyflame_rt {

hearth::runtime::CustomOperator adapt(const CustomOperator& custom);

}  // namespace pyflame_rt
