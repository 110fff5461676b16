// pyflame_rt._core: the C++ interface as Python sees it. pyflame_rt/*.py put the conveniences and ONNX Runtime's names
// on top. The GIL is released while a model is loaded or runs, and taken back for custom operators.
#include <pybind11/chrono.h>
#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include "pyflame_rt/pyflame_rt.hpp"
#include "values.h"

namespace {

using namespace pyflame_rt;
using namespace pyflame_rt::python;

std::string type_of_input(const InferenceSession& session, const std::string& name) {
  for (const PortInfo& port : session.inputs())
    if (port.name == name) return port.type;
  return "";
}

Feeds feeds_of(const InferenceSession& session, const py::dict& feeds) {
  Feeds made;
  for (const auto& [key, value] : feeds) {
    const auto name = key.cast<std::string>();
    made.emplace_back(name, to_value(value, type_of_input(session, name), name));
  }
  return made;
}

py::list to_list(const std::vector<Value>& values) {
  py::list made;
  for (const Value& value : values) made.append(to_python(value));
  return made;
}

RunOptions run_options(const std::optional<CancelToken>& cancel, std::optional<double> timeout) {
  RunOptions options;
  options.cancel = cancel;
  if (timeout) {
    if (!(*timeout >= 0)) throw Error(ErrorCode::InvalidArgument, "[run] timeout; need at least 0 seconds");
    options.timeout = std::chrono::milliseconds(static_cast<int64_t>(std::min(*timeout * 1e3, 1e15)));
  }
  return options;
}

// A Python callable as a custom operator: fn(*inputs, **attributes) → an array or a tuple of them.
CustomOperator custom_operator(const std::string& domain, const std::string& op_type, const py::object& function) {
  auto held = std::shared_ptr<py::object>(new py::object(function), [](py::object* p) {
    const py::gil_scoped_acquire gil;
    delete p;
  });
  CustomOperator made;
  made.domain = domain;
  made.op_type = op_type;
  made.run = [held](const std::vector<Value>& inputs, const auto& attributes) {
    const py::gil_scoped_acquire gil;
    try {
      py::tuple arguments(inputs.size());
      for (size_t i = 0; i < inputs.size(); ++i) arguments[i] = to_python(inputs[i]);
      py::dict named;
      for (const auto& [name, value] : attributes)
        std::visit(
            [&, &key = name](const auto& data) {
              if constexpr (std::is_same_v<std::decay_t<decltype(data)>, Tensor>) named[py::str(key)] = to_python(Value(data));
              else named[py::str(key)] = py::cast(data);
            },
            value);
      const py::object result = (*held)(*arguments, **named);
      std::vector<Value> outputs;
      if (py::isinstance<py::tuple>(result))
        for (const py::handle item : result) outputs.push_back(to_value(item, "", "custom output"));
      else
        outputs.push_back(to_value(result, "", "custom output"));
      return outputs;
    } catch (py::error_already_set& error) {
      throw std::runtime_error(error.what());  // its text; the Python object must not cross a thread without the GIL
    }
  };
  return made;
}

std::vector<CustomOperator> custom_operators(const py::dict& functions) {
  std::vector<CustomOperator> made;
  for (const auto& [key, function] : functions) {
    const auto [domain, op_type] = key.cast<std::pair<std::string, std::string>>();
    made.push_back(custom_operator(domain, op_type, py::reinterpret_borrow<py::object>(function)));
  }
  return made;
}

std::unique_ptr<InferenceSession> open(const py::object& model, const SessionOptions& options, const CompileOptions& compile,
                                       const py::dict& functions) {
  const auto operators = custom_operators(functions);
  if (py::isinstance<py::bytes>(model)) {
    char* data = nullptr;
    Py_ssize_t size = 0;
    if (PyBytes_AsStringAndSize(model.ptr(), &data, &size) != 0) throw py::error_already_set();
    const py::gil_scoped_release unlocked;
    return std::make_unique<InferenceSession>(data, static_cast<size_t>(size), options, compile, operators);
  }
  const auto path = model.cast<std::string>();
  const py::gil_scoped_release unlocked;
  return std::make_unique<InferenceSession>(path, options, compile, operators);
}

py::list run(InferenceSession& session, const py::dict& feeds, const std::vector<std::string>& outputs,
             const std::optional<CancelToken>& cancel, std::optional<double> timeout) {
  std::vector<Value> results;
  {
    const Feeds given = feeds_of(session, feeds);
    const RunOptions options = run_options(cancel, timeout);
    const py::gil_scoped_release unlocked;
    results = session.run(given, outputs, options);
  }
  return to_list(results);
}

void bind_options(py::module_& m) {
  py::class_<SessionOptions>(m, "SessionOptions")
      .def(py::init<>())
      .def_readwrite("device", &SessionOptions::device)
      .def_readwrite("fallback", &SessionOptions::fallback)
      .def_readwrite("num_threads", &SessionOptions::num_threads)
      .def_property(
          "optimization_level", [](const SessionOptions& o) { return static_cast<int>(o.optimization_level); },
          [](SessionOptions& o, int level) {
            if (level < 0 || level > 3) throw Error(ErrorCode::InvalidArgument, "[SessionOptions] optimization_level; got " + std::to_string(level) + ", need 0 to 3");
            o.optimization_level = static_cast<OptLevel>(level);
          })
      .def_readwrite("disabled_passes", &SessionOptions::disabled_passes)
      .def_readwrite("enable_profiling", &SessionOptions::enable_profiling)
      .def_readwrite("memory_limit_mb", &SessionOptions::memory_limit_mb)
      .def_readwrite("enable_memory_reuse", &SessionOptions::enable_memory_reuse);
  py::class_<CompileOptions>(m, "CompileOptions").def(py::init<>()).def_readwrite("input_shapes", &CompileOptions::input_shapes);
  py::class_<CancelToken>(m, "CancelToken", "Stops a run from another thread.")
      .def(py::init<>())
      .def("cancel", &CancelToken::cancel)
      .def_property_readonly("cancelled", &CancelToken::cancelled);
}

void bind_session(py::module_& m) {
  py::class_<PortInfo>(m, "NodeArg", "Name, shape and element type of an input or output.")
      .def_readonly("name", &PortInfo::name)
      .def_readonly("type", &PortInfo::type)
      .def_property_readonly("dtype", [](const PortInfo& port) -> py::object { return port.dtype == DataType::Undefined ? py::none() : numpy_dtype(port.dtype); })
      .def_property_readonly("shape", [](const PortInfo& port) {
        py::list shape;  // known sizes as int, symbols as str, open ones as None: as ONNX Runtime does
        for (size_t i = 0; i < port.shape.size(); ++i) {
          if (port.shape[i] >= 0) shape.append(port.shape[i]);
          else if (!port.symbols[i].empty()) shape.append(port.symbols[i]);
          else shape.append(py::none());
        }
        return shape;
      })
      .def("__repr__", [](const PortInfo& port) { return "NodeArg(name='" + port.name + "', type='" + port.type + "')"; });

  py::class_<InferenceSession>(m, "Session")
      .def(py::init(&open), py::arg("model"), py::arg("options"), py::arg("compile"), py::arg("custom_operators"))
      .def_property_readonly("inputs", &InferenceSession::inputs)
      .def_property_readonly("outputs", &InferenceSession::outputs)
      .def_property_readonly("overridable_initializers", &InferenceSession::overridable_initializers)
      .def_property_readonly("metadata", &InferenceSession::metadata)
      .def("run", &run, py::arg("feeds"), py::arg("outputs"), py::arg("cancel") = py::none(), py::arg("timeout") = py::none())
      .def("run_with_profiling",
           [](InferenceSession& session, const py::dict& feeds, const std::vector<std::string>& outputs) {
             Profile profile;
             std::vector<Value> results;
             {
               const Feeds given = feeds_of(session, feeds);
               const py::gil_scoped_release unlocked;
               results = session.run_with_profiling(given, profile, outputs);
             }
             py::list operations;
             for (const auto& op : profile.operations) operations.append(py::make_tuple(op.name, op.op_type, op.duration_us, op.percentage));
             return py::make_tuple(to_list(results), operations, profile.total_us);
           })
      .def("run_batch",
           [](InferenceSession& session, const py::list& feeds, size_t max_batch_size, const std::vector<std::string>& outputs) {
             std::vector<std::vector<Value>> results;
             {
               std::vector<Feeds> given;
               for (const py::handle item : feeds) given.push_back(feeds_of(session, item.cast<py::dict>()));
               const py::gil_scoped_release unlocked;
               results = session.run_batch(given, max_batch_size, outputs);
             }
             py::list made;
             for (const auto& values : results) made.append(to_list(values));
             return made;
           })
      .def("memory",
           [](const InferenceSession& session) {
             const MemoryInfo memory = session.memory();
             py::dict made;
             made["in_use"] = memory.in_use;
             made["kept"] = memory.kept;
             made["peak"] = memory.peak;
             made["limit"] = memory.limit;
             return made;
           })
      .def("trim_memory", &InferenceSession::trim_memory)
      .def("passes",
           [](const InferenceSession& session) {
             py::list made;
             for (const PassInfo& pass : session.passes()) made.append(py::make_tuple(pass.name, pass.changes, pass.time_us, pass.disabled));
             return made;
           })
      .def("profile_json", &InferenceSession::profile_json)
      .def("optimized_text", &InferenceSession::optimized_text, py::arg("max_elements") = 16);
}

void bind_stream(py::module_& m) {
  py::class_<Stream>(m, "Stream")
      .def(py::init([](InferenceSession& session, int64_t chunk_size, int64_t overlap, bool stateful, const std::string& input, int axis,
                       const std::map<std::string, std::string>& states, const py::dict& constants) {
             StreamOptions options;
             options.chunk_size = chunk_size;
             options.overlap = overlap;
             options.stateful = stateful;
             options.input = input;
             options.axis = axis;
             options.states = states;
             options.constants = feeds_of(session, constants);
             return std::make_unique<Stream>(session, options);
           }),
           py::keep_alive<1, 2>())
      .def("process",
           [](Stream& stream, const py::object& samples) {
             const Value value = to_value(samples, "", "samples");
             std::vector<std::map<std::string, Value>> results;
             {
               const py::gil_scoped_release unlocked;
               results = stream.process(value.tensor());
             }
             py::list made;
             for (const auto& result : results) {
               py::dict named;
               for (const auto& [name, output] : result) named[py::str(name)] = to_python(output);
               made.append(named);
             }
             return made;
           })
      .def("flush",
           [](Stream& stream) {
             std::vector<std::map<std::string, Value>> results;
             {
               const py::gil_scoped_release unlocked;
               results = stream.flush();
             }
             py::list made;
             for (const auto& result : results) {
               py::dict named;
               for (const auto& [name, output] : result) named[py::str(name)] = to_python(output);
               made.append(named);
             }
             return made;
           })
      .def("reset", &Stream::reset)
      .def_property_readonly("states", &Stream::states);
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "The C++ core of pyflame_rt.";
  // One Python class per code, all below pyflame_rt.Error: made in Python, looked up here when an error crosses.
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const Error& error) {
      static constexpr const char* kNames[] = {"InvalidArgument", "NotFound", "Unsupported", "LimitExceeded", "IoError", "Cancelled", "InternalError"};
      const py::object kind = py::module_::import("pyflame_rt.errors").attr(kNames[static_cast<int>(error.code())]);
      PyErr_SetString(kind.ptr(), error.what());
    }
  });
  bind_options(m);
  bind_session(m);
  bind_stream(m);
  m.def("version", &version);
  m.def("available_devices", &available_devices);
}
