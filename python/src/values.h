// NumPy arrays and Python objects to and from the values of the interface. Everything here needs the GIL.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "pyflame_rt/core/tensor.hpp"

namespace pyflame_rt::python {

namespace py = pybind11;

// A NumPy array (anything that NumPy makes one of), a list (a sequence), a dict (a map), None. Elements are not copied
// when the array is C-contiguous and aligned: the array is kept alive instead. `type` is what a port declares ("" when
// unknown): lists become sequences only where one is wanted, and plain Python numbers take the declared element type.
Value to_value(const py::handle& object, const std::string& type, const std::string& name);
// Arrays share the tensor's memory; those inside sequences are copies.
py::object to_python(const Value& value);

// numpy.dtype of an element type; types that NumPy lacks come from ml_dtypes.
py::dtype numpy_dtype(DataType type);
// `where` is what the error names.
DataType data_type_of_numpy(const py::dtype& dtype, const std::string& where);

}  // namespace pyflame_rt::python
