// pyflame_rt: loads, optimises and runs ONNX models. Everything of the C++ interface; each header also stands alone.
#pragma once

#include "pyflame_rt/core/benchmark.hpp"
#include "pyflame_rt/core/error.hpp"
#include "pyflame_rt/core/log.hpp"
#include "pyflame_rt/core/options.hpp"
#include "pyflame_rt/core/session.hpp"
#include "pyflame_rt/core/stream.hpp"
#include "pyflame_rt/core/tensor.hpp"
