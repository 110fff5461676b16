#include "values.h"

#include <map>

namespace pyflame_rt::python {

namespace {

struct Named {
  DataType type;
  const char* name;    // numpy's or ml_dtypes'
  bool ml_dtypes;
};
constexpr Named kTypes[] = {
    {DataType::Float32, "float32", false},       {DataType::Float64, "float64", false},
    {DataType::Float16, "float16", false},       {DataType::Int8, "int8", false},
    {DataType::Int16, "int16", false},           {DataType::Int32, "int32", false},
    {DataType::Int64, "int64", false},           {DataType::UInt8, "uint8", false},
    {DataType::UInt16, "uint16", false},         {DataType::UInt32, "uint32", false},
    {DataType::UInt64, "uint64", false},         {DataType::Bool, "bool", false},
    {DataType::Complex64, "complex64", false},   {DataType::Complex128, "complex128", false},
    {DataType::String, "object", false},         {DataType::BFloat16, "bfloat16", true},
    {DataType::Float8E4M3FN, "float8_e4m3fn", true}, {DataType::Float8E4M3FNUZ, "float8_e4m3fnuz", true},
    {DataType::Float8E5M2, "float8_e5m2", true}, {DataType::Float8E5M2FNUZ, "float8_e5m2fnuz", true},
    {DataType::Float8E8M0, "float8_e8m0fnu", true}, {DataType::Float4E2M1, "float4_e2m1fn", true},
    {DataType::Int4, "int4", true},              {DataType::UInt4, "uint4", true},
    {DataType::Int2, "int2", true},              {DataType::UInt2, "uint2", true},
};

py::object ml_dtypes() {
  try {
    return py::module_::import("ml_dtypes");
  } catch (py::error_already_set& error) {
    error.discard_as_unraisable("import ml_dtypes");
    throw Error(ErrorCode::Unsupported, "[numpy] this element type has no NumPy dtype of its own; `pip install ml_dtypes` brings one");
  }
}

// Keeps a Python object alive from C++; let go with the GIL held, whichever thread is last.
std::shared_ptr<const void> keep(py::object object) {
  return std::shared_ptr<const void>(object.release().ptr(), [](const void* held) {
    const py::gil_scoped_acquire gil;
    py::handle(static_cast<PyObject*>(const_cast<void*>(held))).dec_ref();
  });
}

std::string utf8(const py::handle& object, const std::string& name) {
  if (py::isinstance<py::bytes>(object)) return object.cast<std::string>();
  if (py::isinstance<py::str>(object)) return object.cast<std::string>();
  throw Error(ErrorCode::InvalidArgument, "[input '" + name + "'] elements of an object array must be str or bytes; got " + std::string(py::str(py::type::of(object))));
}

Tensor string_tensor(const py::array& array, const std::string& name) {
  Shape shape(array.shape(), array.shape() + array.ndim());
  Tensor tensor(DataType::String, shape);
  const py::list items = array.attr("ravel")().attr("tolist")();
  for (size_t i = 0; i < tensor.size(); ++i) tensor.data<std::string>()[i] = utf8(items[i], name);
  return tensor;
}

Tensor tensor_from(const py::handle& object, const std::string& name) {
  static const py::object* as_array = new py::object(py::module_::import("numpy").attr("ascontiguousarray"));  // lives as long as the interpreter
  py::array given = py::isinstance<py::array>(object) ? py::reinterpret_borrow<py::array>(object) : py::array(py::module_::import("numpy").attr("asarray")(object));
  const char kind = given.dtype().kind();
  if (kind == 'O' || kind == 'U' || kind == 'S' || kind == 'T') return string_tensor(given, name);
  const DataType type = data_type_of_numpy(given.dtype());
  Shape shape(given.shape(), given.shape() + given.ndim());
  const bool usable = (given.flags() & py::array::c_style) != 0 && (given.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0 &&
                      given.dtype().attr("isnative").cast<bool>();
  if (!usable) given = py::array((*as_array)(given.attr("astype")(given.dtype().attr("newbyteorder")("="))));
  const void* data = given.data();
  return Tensor::view(type, shape, data, keep(std::move(given)));
}

}  // namespace

py::object numpy_dtype(DataType type) {
  for (const Named& named : kTypes)
    if (named.type == type)
      return named.ml_dtypes ? py::object(py::dtype::from_args(ml_dtypes().attr(named.name))) : py::object(py::dtype(named.name));
  throw Error(ErrorCode::Unsupported, "[numpy] no dtype for " + to_string(type));
}

DataType data_type_of_numpy(const py::dtype& dtype) {
  const std::string name = dtype.attr("name").cast<std::string>();
  for (const Named& named : kTypes)
    if (name == named.name) return named.type;
  throw Error(ErrorCode::InvalidArgument, "[numpy] arrays of dtype " + name + " are not served");
}

Value to_value(const py::handle& object, const std::string& type, const std::string& name) {
  if (object.is_none()) return {};
  const bool wants_sequence = type.rfind("seq(", 0) == 0 || type.rfind("optional(seq(", 0) == 0;
  if (py::isinstance<py::dict>(object)) {
    Map map;
    std::vector<int64_t> numbers;
    std::vector<std::string> texts;
    py::list values;
    for (const auto& [key, value] : py::reinterpret_borrow<py::dict>(object)) {
      if (py::isinstance<py::str>(key)) texts.push_back(key.cast<std::string>());
      else numbers.push_back(key.cast<int64_t>());
      values.append(value);
    }
    if (!numbers.empty() && !texts.empty()) throw Error(ErrorCode::InvalidArgument, "[input '" + name + "'] keys of a map must be all int or all str");
    if (texts.empty()) map.keys = std::move(numbers);
    else map.keys = std::move(texts);
    py::object array = values;
    if (type.find("tensor(float)") != std::string::npos) array = py::module_::import("numpy").attr("asarray")(values, "float32");
    map.values = tensor_from(array, name);
    return map;
  }
  if (wants_sequence && (py::isinstance<py::list>(object) || py::isinstance<py::tuple>(object))) {
    Sequence items;
    const std::string inner = type.substr(type.find("seq(") + 4);
    for (const py::handle item : object) items.push_back(to_value(item, inner, name));
    return items;
  }
  return tensor_from(object, name);
}

py::object to_python(const Value& value) {
  if (value.empty()) return py::none();
  if (const auto* tensor = std::get_if<Tensor>(&value.data)) {
    if (tensor->type() == DataType::String) {
      py::list items;
      for (size_t i = 0; i < tensor->size(); ++i) {
        const std::string& text = tensor->data<std::string>()[i];
        PyObject* decoded = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape");
        if (decoded == nullptr) throw py::error_already_set();
        items.append(py::reinterpret_steal<py::object>(decoded));
      }
      py::object numpy = py::module_::import("numpy");
      py::object array = numpy.attr("empty")(py::int_(tensor->size()), py::dtype("object"));
      for (size_t i = 0; i < tensor->size(); ++i) array[py::int_(i)] = items[i];
      return array.attr("reshape")(py::cast(tensor->shape()));
    }
    auto* held = new Tensor(*tensor);
    const py::capsule owner(held, [](void* p) { delete static_cast<Tensor*>(p); });
    const auto dtype = py::reinterpret_borrow<py::dtype>(numpy_dtype(tensor->type()));
    return py::array(dtype, std::vector<py::ssize_t>(tensor->shape().begin(), tensor->shape().end()), held->raw(), owner);
  }
  if (const auto* sequence = std::get_if<Sequence>(&value.data)) {
    py::list items;
    for (const Value& item : *sequence) items.append(to_python(item));
    return items;
  }
  const Map& map = std::get<Map>(value.data);
  const py::object values = to_python(Value(map.values));
  py::dict made;
  std::visit(
      [&](const auto& keys) {
        for (size_t i = 0; i < keys.size(); ++i) made[py::cast(keys[i])] = values[py::int_(i)].attr("item")();
      },
      map.keys);
  return made;
}

}  // namespace pyflame_rt::python
