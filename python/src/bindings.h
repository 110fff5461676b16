// What the files of the module give one another.
#pragma once

#include <pybind11/pybind11.h>

namespace pyflame_rt::python {

void bind_options(pybind11::module_& m);  // SessionOptions, CompileOptions, CancelToken
void bind_session(pybind11::module_& m);  // NodeArg, Session, Stream

}  // namespace pyflame_rt::python
