// pyflame_rt._core: the C++ interface as Python sees it; pyflame_rt/*.py put the conveniences and ONNX Runtime's names
// on top, and _core.pyi says what is here.
#include <pybind11/stl.h>

#include "bindings.h"
#include "pyflame_rt/pyflame_rt.hpp"
#include "values.h"

namespace {

using namespace pyflame_rt;
namespace py = pybind11;

// One Python class per code, all below pyflame_rt.Error: made in Python, looked up when an error crosses.
void raise_in_python(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const Error& error) {
    static constexpr const char* kNames[] = {"InvalidArgument", "NotFound",  "Unsupported",  "LimitExceeded",
                                             "IoError",         "Cancelled", "InternalError"};
    const py::object kind = py::module_::import("pyflame_rt.errors").attr(kNames[static_cast<int>(error.code())]);
    PyErr_SetString(kind.ptr(), error.what());
  }
}

// The caller may be any thread; at the interpreter's end the function is taken back.
void set_python_log(const py::object& function) {
  if (function.is_none()) return set_log({});
  const auto held = std::shared_ptr<py::object>(new py::object(function), [](py::object* p) {
    const py::gil_scoped_acquire gil;
    delete p;
  });
  set_log(
      [held](LogLevel level, const std::string& message) {
        const py::gil_scoped_acquire gil;
        try {
          (*held)(static_cast<int>(level), message);
        } catch (py::error_already_set& error) {
          error.discard_as_unraisable("a log message of pyflame_rt");
        }
      },
      LogLevel::Info);
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "The C++ core of pyflame_rt.";
  py::register_exception_translator(&raise_in_python);
  python::bind_options(m);
  python::bind_session(m);
  m.def("version", &version, "The version of this build.");
  m.def("available_devices", &available_devices, "Devices that this build and machine serve, best first.");
  m.def("set_log", &set_python_log, py::arg("function"),
        "Gives the core's messages to function(level, message); None: to nobody.");
  m.def(
      "element_type_of",
      [](const py::dtype& dtype) { return static_cast<int>(python::data_type_of_numpy(dtype, "OrtValue")); },
      py::arg("dtype"), "ONNX's number of a NumPy dtype (1: float32). InvalidArgument when ONNX has no such type.");
  m.def(
      "dtype_of", [](int element_type) { return python::numpy_dtype(static_cast<DataType>(element_type)); },
      py::arg("element_type"), "The NumPy dtype of one of ONNX's numbers (1: float32).");
  m.def(
      "element_type_name", [](int element_type) { return to_string(static_cast<DataType>(element_type)); },
      py::arg("element_type"), "\"float\", \"int64\" …: as in tensor(float).");
}
