// The GIL is released while a model is loaded or runs, and taken back for operators that are Python functions.
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>

#include "bindings.h"
#include "pyflame_rt/pyflame_rt.hpp"
#include "values.h"

namespace pyflame_rt::python {

namespace {

using Names = std::vector<std::string>;

const std::string& type_of_input(const InferenceSession& session, const std::string& name) {
  static const std::string unknown;
  for (const auto* ports : {&session.inputs(), &session.overridable_initializers()})
    for (const PortInfo& port : *ports)
      if (port.name == name) return port.type;
  return unknown;
}

Feeds feeds_of(const InferenceSession& session, const py::dict& feeds) {
  Feeds made;
  made.reserve(feeds.size());
  for (const auto& [key, value] : feeds) {
    if (!py::isinstance<py::str>(key))
      throw Error(ErrorCode::InvalidArgument,
                  "[feeds] names of inputs; got " + py::repr(key).cast<std::string>() + ", need str");
    auto name = key.cast<std::string>();
    Value fed = to_value(value, type_of_input(session, name), name);
    made.emplace_back(std::move(name), std::move(fed));
  }
  return made;
}

py::list to_list(const std::vector<Value>& values) {
  py::list made(values.size());
  for (size_t i = 0; i < values.size(); ++i) made[i] = to_python(values[i]);
  return made;
}

RunOptions run_options(const std::optional<CancelToken>& cancel, std::optional<double> timeout) {
  RunOptions options;
  options.cancel = cancel;
  if (timeout) {
    if (!(*timeout >= 0))
      throw Error(ErrorCode::InvalidArgument,
                  "[run] timeout; got " + std::to_string(*timeout) + ", need at least 0 seconds");
    options.timeout = std::chrono::milliseconds(static_cast<int64_t>(std::ceil(std::min(*timeout * 1e3, 1e15))));
  }
  return options;
}

// What a custom operator may look at: constants and other nodes' values, which it must not change.
py::object read_only(const Value& value) {
  py::object made = to_python(value);
  if (py::isinstance<py::array>(made)) made.attr("setflags")(py::arg("write") = false);
  return made;
}

// A Python callable as a custom operator: fn(*inputs, **attributes) → an array or a tuple of them.
CustomOperator custom_operator(const std::string& domain, const std::string& op_type, const py::object& function) {
  const auto held = std::shared_ptr<py::object>(new py::object(function), [](py::object* p) {
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
      for (size_t i = 0; i < inputs.size(); ++i) arguments[i] = read_only(inputs[i]);
      py::dict named;
      for (const auto& [name, value] : attributes)
        std::visit(
            [&, &key = name](const auto& data) {
              if constexpr (std::is_same_v<std::decay_t<decltype(data)>, Tensor>)
                named[py::str(key)] = read_only(Value(data));
              else
                named[py::str(key)] = py::cast(data);
            },
            value);
      const py::object result = (*held)(*arguments, **named);
      std::vector<Value> outputs;
      if (py::isinstance<py::tuple>(result))
        for (const py::handle item : result) outputs.push_back(to_value(item, "", "custom output"));
      else
        outputs.push_back(to_value(result, "", "custom output"));
      return outputs;
    } catch (const py::error_already_set& error) {
      throw std::runtime_error(error.what());  // its text: the Python object must not cross without the GIL
    }
  };
  return made;
}

std::unique_ptr<InferenceSession> open(const py::object& model, const SessionOptions& options,
                                       const CompileOptions& compile, const py::dict& functions) {
  std::vector<CustomOperator> operators;
  for (const auto& [key, function] : functions) {
    const auto [domain, op_type] = key.cast<std::pair<std::string, std::string>>();
    operators.push_back(custom_operator(domain, op_type, py::reinterpret_borrow<py::object>(function)));
  }
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

py::list run(InferenceSession& session, const py::dict& feeds, const Names& outputs,
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

py::tuple run_with_profiling(InferenceSession& session, const py::dict& feeds, const Names& outputs,
                             const std::optional<CancelToken>& cancel, std::optional<double> timeout) {
  Profile profile;
  std::vector<Value> results;
  {
    const Feeds given = feeds_of(session, feeds);
    const RunOptions options = run_options(cancel, timeout);
    const py::gil_scoped_release unlocked;
    results = session.run_with_profiling(given, profile, outputs, options);
  }
  py::list operations;
  for (const auto& op : profile.operations)
    operations.append(py::make_tuple(op.name, op.op_type, op.duration_us, op.percentage));
  return py::make_tuple(to_list(results), operations, profile.total_us);
}

py::list run_batch(InferenceSession& session, const py::list& feeds, size_t max_batch_size, const Names& outputs,
                   const std::optional<CancelToken>& cancel, std::optional<double> timeout) {
  std::vector<std::vector<Value>> results;
  {
    std::vector<Feeds> given;
    for (const py::handle item : feeds) given.push_back(feeds_of(session, item.cast<py::dict>()));
    const RunOptions options = run_options(cancel, timeout);
    const py::gil_scoped_release unlocked;
    results = session.run_batch(given, max_batch_size, outputs, options);
  }
  py::list made;
  for (const auto& values : results) made.append(to_list(values));
  return made;
}

py::list shape_of(const PortInfo& port) {
  py::list shape;  // known sizes as int, symbols as str, open ones as None: as ONNX Runtime does
  for (size_t i = 0; i < port.shape.size(); ++i) {
    if (port.shape[i] >= 0)
      shape.append(port.shape[i]);
    else if (!port.symbols[i].empty())
      shape.append(port.symbols[i]);
    else
      shape.append(py::none());
  }
  return shape;
}

std::string describe(const PortInfo& port) {
  return "NodeArg(name='" + port.name + "', type='" + port.type +
         "', shape=" + py::repr(shape_of(port)).cast<std::string>() + ")";
}

py::dict memory_of(const InferenceSession& session) {
  const MemoryInfo memory = session.memory();
  py::dict made;
  made["in_use"] = memory.in_use;
  made["kept"] = memory.kept;
  made["peak"] = memory.peak;
  made["limit"] = memory.limit;
  return made;
}

py::dict model_info(const InferenceSession& session) {
  const ModelInfo info = session.model_info();
  py::dict made;
  made["producer_name"] = info.producer_name;
  made["graph_name"] = info.graph_name;
  made["domain"] = info.domain;
  made["description"] = info.description;
  made["graph_description"] = info.graph_description;
  made["version"] = info.version;
  made["custom_metadata_map"] = info.metadata;
  return made;
}

std::unique_ptr<Stream> make_stream(InferenceSession& session, int64_t chunk_size, int64_t overlap, bool stateful,
                                    const std::string& input, int axis,
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
}

py::list to_dicts(const std::vector<std::map<std::string, Value>>& results) {
  py::list made;
  for (const auto& result : results) {
    py::dict named;
    for (const auto& [name, output] : result) named[py::str(name)] = to_python(output);
    made.append(named);
  }
  return made;
}

py::list process(Stream& stream, const py::object& samples, const std::string& type,
                 const std::optional<CancelToken>& cancel, std::optional<double> timeout) {
  const Value value = to_value(samples, type, "samples");
  const RunOptions options = run_options(cancel, timeout);
  std::vector<std::map<std::string, Value>> results;
  {
    const py::gil_scoped_release unlocked;
    results = stream.process(value.tensor(), options);
  }
  return to_dicts(results);
}

py::list flush(Stream& stream, const std::optional<CancelToken>& cancel, std::optional<double> timeout) {
  const RunOptions options = run_options(cancel, timeout);
  std::vector<std::map<std::string, Value>> results;
  {
    const py::gil_scoped_release unlocked;
    results = stream.flush(options);
  }
  return to_dicts(results);
}

}  // namespace

void bind_session(py::module_& m) {
  py::class_<PortInfo>(m, "NodeArg", "An input or output of a model.")
      .def_readonly("name", &PortInfo::name, "As the model calls it.")
      .def_readonly("type", &PortInfo::type, "ONNX Runtime's spelling: \"tensor(float)\", \"seq(tensor(int64))\" …")
      .def_property_readonly(
          "dtype",
          [](const PortInfo& port) -> py::object {
            return port.dtype == DataType::Undefined ? py::none() : py::object(numpy_dtype(port.dtype));
          },
          "NumPy dtype of a tensor's elements (object for strings); None for anything but a tensor.")
      .def_property_readonly("shape", &shape_of,
                             "Sizes: int where they are known, str for a symbol, None where they are open.")
      .def("__repr__", &describe);

  const auto cancel = py::arg("cancel") = py::none(), timeout = py::arg("timeout") = py::none();
  py::class_<InferenceSession>(m, "Session", "A model, loaded, optimised and ready to run.")
      .def(py::init(&open), py::arg("model"), py::arg("options"), py::arg("compile"), py::arg("custom_operators"))
      .def_property_readonly("inputs", &InferenceSession::inputs)
      .def_property_readonly("outputs", &InferenceSession::outputs)
      .def_property_readonly("overridable_initializers", &InferenceSession::overridable_initializers)
      .def("run", &run, py::arg("feeds"), py::arg("outputs"), cancel, timeout)
      .def("run_with_profiling", &run_with_profiling, py::arg("feeds"), py::arg("outputs"), cancel, timeout)
      .def("run_batch", &run_batch, py::arg("feeds"), py::arg("max_batch_size"), py::arg("outputs"), cancel, timeout)
      .def_property_readonly("from_cache", &InferenceSession::from_cache)
      .def("memory", &memory_of)
      .def("model_info", &model_info)
      .def("trim_memory", &InferenceSession::trim_memory)
      .def("passes",
           [](const InferenceSession& session) {
             py::list made;
             for (const PassInfo& pass : session.passes())
               made.append(py::make_tuple(pass.name, pass.changes, pass.time_us, pass.disabled));
             return made;
           })
      .def("profile_json", &InferenceSession::profile_json)
      .def("optimized_text", &InferenceSession::optimized_text, py::arg("max_elements") = 16);

  py::class_<Stream>(m, "Stream", "A signal under way.")
      .def(py::init(&make_stream), py::keep_alive<1, 2>(), py::arg("session"), py::arg("chunk_size"),
           py::arg("overlap"), py::arg("stateful"), py::arg("input"), py::arg("axis"), py::arg("states"),
           py::arg("constants"))
      .def("process", &process, py::arg("samples"), py::arg("type"), cancel, timeout)
      .def("flush", &flush, cancel, timeout)
      .def("reset", &Stream::reset)
      .def_property_readonly("input", &Stream::input)
      .def_property_readonly("states", &Stream::states);
}

}  // namespace pyflame_rt::python
