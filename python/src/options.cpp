#include "pyflame_rt/core/options.hpp"

#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include "bindings.h"

namespace pyflame_rt::python {

namespace py = pybind11;

namespace {

constexpr size_t kAlignment = 64;

// A Python function `allocate(bytes)` that returns a writable buffer. It is kept for as long as the block lives, and
// let go with the GIL held, whichever thread is last.
Allocator allocator_of(const py::object& function) {
  const auto held = std::shared_ptr<py::object>(new py::object(function), [](py::object* p) {
    const py::gil_scoped_acquire gil;
    delete p;
  });
  return [held](size_t bytes) -> std::shared_ptr<void> {
    const py::gil_scoped_acquire gil;
    try {
      const py::object made = (*held)(bytes + kAlignment);
      if (made.is_none()) return nullptr;
      auto* const view = new Py_buffer;
      if (PyObject_GetBuffer(made.ptr(), view, PyBUF_WRITABLE) != 0) {
        delete view;
        throw py::error_already_set();
      }
      auto release = [](Py_buffer* p) {
        const py::gil_scoped_acquire unlock;
        PyBuffer_Release(p);
        delete p;
      };
      const std::shared_ptr<Py_buffer> buffer(view, release);
      const auto given = static_cast<size_t>(view->len);
      if (given < bytes + kAlignment)
        throw Error(ErrorCode::InvalidArgument, "a buffer of " + std::to_string(given) + " bytes; need the " +
                                                    std::to_string(bytes + kAlignment) + " asked for");
      const auto address = reinterpret_cast<uintptr_t>(view->buf);
      return {buffer, reinterpret_cast<void*>((address + kAlignment - 1) / kAlignment * kAlignment)};
    } catch (const py::error_already_set& error) {
      throw std::runtime_error(error.what());  // its text: the Python object must not cross without the GIL
    }
  };
}

}  // namespace

void bind_options(py::module_& m) {
  py::class_<SessionOptions>(m, "SessionOptions", "Options of a session as the core takes them.")
      .def(py::init<>())
      .def_readwrite("device", &SessionOptions::device)
      .def_readwrite("fallback", &SessionOptions::fallback)
      .def_readwrite("num_threads", &SessionOptions::num_threads)
      .def_property(
          "optimization_level", [](const SessionOptions& o) { return static_cast<int>(o.optimization_level); },
          [](SessionOptions& o, int level) { o.optimization_level = static_cast<OptLevel>(level); })
      .def_readwrite("disabled_passes", &SessionOptions::disabled_passes)
      .def_readwrite("enable_profiling", &SessionOptions::enable_profiling)
      .def_readwrite("memory_limit_mb", &SessionOptions::memory_limit_mb)
      .def_readwrite("enable_memory_reuse", &SessionOptions::enable_memory_reuse)
      .def_property(
          "precision", [](const SessionOptions& o) { return static_cast<int>(o.precision); },
          [](SessionOptions& o, int precision) { o.precision = static_cast<Precision>(precision); })
      .def_property(
          "memory_pool", [](const SessionOptions& o) { return static_cast<int>(o.memory_pool); },
          [](SessionOptions& o, int pool) { o.memory_pool = static_cast<MemoryPool>(pool); })
      .def(
          "set_allocator", [](SessionOptions& o, const py::object& function) { o.allocator = allocator_of(function); },
          py::arg("function"));
  py::class_<CompileOptions>(m, "CompileOptions", "What is fixed before a model is optimised, as the core takes it.")
      .def(py::init<>())
      .def_readwrite("input_shapes", &CompileOptions::input_shapes)
      .def_readwrite("dynamic_batch", &CompileOptions::dynamic_batch)
      .def_readwrite("cache_dir", &CompileOptions::cache_dir)
      .def_readwrite("cache_limit_mb", &CompileOptions::cache_limit_mb);
  py::class_<CancelToken>(m, "CancelToken", "Stops a run from another thread.")
      .def(py::init<>())
      .def("cancel", &CancelToken::cancel, "Ends the runs that hold this token, soon.")
      .def_property_readonly("cancelled", &CancelToken::cancelled);
}

}  // namespace pyflame_rt::python
