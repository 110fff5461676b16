#include "values.h"

#include <map>

namespace pyflame_rt::python {

namespace {

struct Named {
  DataType type;
  const char* name;  // numpy's or ml_dtypes'
  bool ml_dtypes;
};
constexpr Named kTypes[] = {
    {DataType::Float32, "float32", false},
    {DataType::Float64, "float64", false},
    {DataType::Float16, "float16", false},
    {DataType::Int8, "int8", false},
    {DataType::Int16, "int16", false},
    {DataType::Int32, "int32", false},
    {DataType::Int64, "int64", false},
    {DataType::UInt8, "uint8", false},
    {DataType::UInt16, "uint16", false},
    {DataType::UInt32, "uint32", false},
    {DataType::UInt64, "uint64", false},
    {DataType::Bool, "bool", false},
    {DataType::Complex64, "complex64", false},
    {DataType::Complex128, "complex128", false},
    {DataType::String, "object", false},
    {DataType::BFloat16, "bfloat16", true},
    {DataType::Float8E4M3FN, "float8_e4m3fn", true},
    {DataType::Float8E4M3FNUZ, "float8_e4m3fnuz", true},
    {DataType::Float8E5M2, "float8_e5m2", true},
    {DataType::Float8E5M2FNUZ, "float8_e5m2fnuz", true},
    {DataType::Float8E8M0, "float8_e8m0fnu", true},
    {DataType::Float4E2M1, "float4_e2m1fn", true},
    {DataType::Int4, "int4", true},
    {DataType::UInt4, "uint4", true},
    {DataType::Int2, "int2", true},
    {DataType::UInt2, "uint2", true},
};
constexpr int kDataTypes = 27;
constexpr int kFirstUserType = 256;  // NumPy numbers types of other packages from here on

[[noreturn]] void wrong(const std::string& text) {
  throw Error(ErrorCode::InvalidArgument, text);
}

py::module_ numpy() {
  return py::module_::import("numpy");
}

py::object ml_dtypes() {
  try {
    return py::module_::import("ml_dtypes");
  } catch (const py::error_already_set&) {
    throw Error(ErrorCode::Unsupported,
                "[numpy] NumPy has no dtype for this element type; `pip install ml_dtypes` brings one");
  }
}

// Keeps a Python object alive from C++; let go with the GIL held, whichever thread is last.
std::shared_ptr<const void> keep(py::object object) {
  return std::shared_ptr<const void>(object.release().ptr(), [](const void* held) {
    const py::gil_scoped_acquire gil;
    py::handle(static_cast<PyObject*>(const_cast<void*>(held))).dec_ref();
  });
}

// Texts cross as UTF-8; bytes that are none travel as lone surrogates, as in file names.
py::str text_of(const std::string& utf8) {
  PyObject* decoded = PyUnicode_DecodeUTF8(utf8.data(), static_cast<Py_ssize_t>(utf8.size()), "surrogateescape");
  if (decoded == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

std::string utf8(const py::handle& object, const std::string& name) {
  if (py::isinstance<py::bytes>(object)) return object.cast<std::string>();
  if (!py::isinstance<py::str>(object))
    wrong("[input '" + name + "'] elements of an object array; got " +
          py::type::of(object).attr("__name__").cast<std::string>() + ", need str or bytes");
  const auto encoded =
      py::reinterpret_steal<py::bytes>(PyUnicode_AsEncodedString(object.ptr(), "utf-8", "surrogateescape"));
  if (!encoded) throw py::error_already_set();
  return encoded;
}

Shape shape_of(const py::array& array) {
  return Shape(array.shape(), array.shape() + array.ndim());
}

Tensor string_tensor(const py::array& array, const std::string& name) {
  Tensor tensor(DataType::String, shape_of(array));
  const py::list items = array.attr("ravel")().attr("tolist")();
  for (size_t i = 0; i < tensor.size(); ++i) tensor.data<std::string>()[i] = utf8(items[i], name);
  return tensor;
}

DataType by_name(const std::string& name, const std::string& where) {
  for (const Named& named : kTypes)
    if (name == named.name) return named.type;
  wrong("[" + where + "] element type; got an array of dtype " + name + ", need one that ONNX has");
}

// The element type inside "tensor(float)", "seq(tensor(int64))" …; Undefined when there is none.
DataType declared_type(const std::string& type) {
  const size_t at = type.find("tensor(");
  if (at == std::string::npos) return DataType::Undefined;
  const std::string name = type.substr(at + 7, type.find(')', at) - at - 7);
  for (int i = 1; i < kDataTypes; ++i)
    if (name == to_string(static_cast<DataType>(i))) return static_cast<DataType>(i);
  return DataType::Undefined;
}

bool is_plain(const py::handle& object) {
  return PyList_Check(object.ptr()) || PyTuple_Check(object.ptr()) || PyFloat_CheckExact(object.ptr()) ||
         PyLong_CheckExact(object.ptr()) || PyBool_Check(object.ptr());
}

// Lists and numbers of plain Python have no element type of their own: they take the declared one where that loses
// neither sign nor fraction.
py::array array_of(const py::handle& object, const std::string& type, const std::string& name) {
  if (py::isinstance<py::array>(object)) return py::reinterpret_borrow<py::array>(object);
  try {
    const py::module_ np = numpy();
    const py::object as_array = np.attr("asarray");
    py::object made = as_array(object);
    const DataType wanted = is_plain(object) ? declared_type(type) : DataType::Undefined;
    if (wanted != DataType::Undefined && wanted != DataType::String) {
      const py::dtype dtype = numpy_dtype(wanted);
      const bool whole =
          made.attr("dtype").attr("kind").cast<std::string>() == "i" && (dtype.kind() == 'u' || dtype.kind() == 'i');
      const bool empty = made.attr("size").cast<py::ssize_t>() == 0;
      if (whole || empty || np.attr("can_cast")(made.attr("dtype"), dtype, "same_kind").cast<bool>())
        made = as_array(object, dtype);  // numbers that do not fit raise OverflowError
    }
    return py::array(made);
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_ValueError) && !error.matches(PyExc_TypeError) && !error.matches(PyExc_OverflowError))
      throw;
    wrong("[input '" + name + "'] cannot be made an array: " + py::str(error.value()).cast<std::string>());
  }
}

Tensor tensor_from(const py::handle& object, const std::string& type, const std::string& name) {
  py::array given = array_of(object, type, name);
  const py::dtype dtype = given.dtype();
  const char kind = dtype.kind();
  if (kind == 'O' || kind == 'U' || kind == 'S' || kind == 'T') return string_tensor(given, name);
  const DataType element = data_type_of_numpy(dtype, "input '" + name + "'");
  const Shape shape = shape_of(given);
  const bool in_order = (given.flags() & py::array::c_style) != 0 && dtype.byteorder() != '>' &&
                        (given.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
  if (!in_order)
    given = py::array(numpy().attr("ascontiguousarray")(given.attr("astype")(dtype.attr("newbyteorder")("="))));
  const void* data = given.data();
  return Tensor::view(element, shape, data, keep(std::move(given)));
}

Map map_from(const py::dict& object, const std::string& type, const std::string& name) {
  Map map;
  std::vector<int64_t> numbers;
  std::vector<std::string> texts;
  py::list values;
  for (const auto& [key, value] : object) {
    if (py::isinstance<py::str>(key))
      texts.push_back(utf8(key, name));
    else if (PyLong_Check(key.ptr()))
      numbers.push_back(key.cast<int64_t>());
    else
      wrong("[input '" + name + "'] keys of a map; got " + py::type::of(key).attr("__name__").cast<std::string>() +
            ", need int or str");
    values.append(value);
  }
  if (!numbers.empty() && !texts.empty())
    wrong("[input '" + name + "'] keys of a map; got int and str, need one of them");
  if (texts.empty())
    map.keys = std::move(numbers);
  else
    map.keys = std::move(texts);
  map.values = tensor_from(values, type, name);
  return map;
}

py::object array_from(const Tensor& tensor) {
  if (tensor.type() == DataType::String) {
    py::list items;
    for (size_t i = 0; i < tensor.size(); ++i) items.append(text_of(tensor.data<std::string>()[i]));
    py::object array = numpy().attr("empty")(py::int_(tensor.size()), "object");
    for (size_t i = 0; i < tensor.size(); ++i) array[py::int_(i)] = items[i];
    py::tuple shape(tensor.shape().size());
    for (size_t i = 0; i < tensor.shape().size(); ++i) shape[i] = py::int_(tensor.shape()[i]);
    return array.attr("reshape")(shape);
  }
  auto held = std::make_unique<Tensor>(tensor);
  void* const data = held->raw();
  const py::capsule owner(held.get(), [](void* p) { delete static_cast<Tensor*>(p); });
  held.release();
  return py::array(numpy_dtype(tensor.type()), std::vector<py::ssize_t>(tensor.shape().begin(), tensor.shape().end()),
                   data, owner);
}

}  // namespace

py::dtype numpy_dtype(DataType type) {
  static PyObject* made[kDataTypes] = {};  // they live as long as the interpreter
  const auto number = static_cast<size_t>(type);
  if (type == DataType::Undefined || number >= kDataTypes)
    wrong("[numpy] element type; got number " + std::to_string(number) + ", need 1 to 26");
  if (made[number] == nullptr)
    for (const Named& named : kTypes)
      if (named.type == type)
        made[number] = (named.ml_dtypes ? py::dtype::from_args(ml_dtypes().attr(named.name)) : py::dtype(named.name))
                           .release()
                           .ptr();
  return py::reinterpret_borrow<py::dtype>(made[number]);
}

DataType data_type_of_numpy(const py::dtype& dtype, const std::string& where) {
  const char kind = dtype.kind();
  const auto size = dtype.itemsize();
  if (dtype.num() < kFirstUserType) switch (kind) {
      case 'f':
        if (size <= 8) return size == 4 ? DataType::Float32 : size == 8 ? DataType::Float64 : DataType::Float16;
        break;
      case 'i':
        return size == 8 ? DataType::Int64 : size == 4 ? DataType::Int32 : size == 2 ? DataType::Int16 : DataType::Int8;
      case 'u':
        return size == 8   ? DataType::UInt64
               : size == 4 ? DataType::UInt32
               : size == 2 ? DataType::UInt16
                           : DataType::UInt8;
      case 'b':
        return DataType::Bool;
      case 'c':
        if (size <= 16) return size == 8 ? DataType::Complex64 : DataType::Complex128;
        break;
      case 'O':
      case 'U':
      case 'S':
      case 'T':
        return DataType::String;
      default:
        break;
    }
  return by_name(dtype.attr("name").cast<std::string>(), where);
}

Value to_value(const py::handle& object, const std::string& type, const std::string& name) {
  if (object.is_none()) return {};
  const bool wants_sequence = type.rfind("seq(", 0) == 0 || type.rfind("optional(seq(", 0) == 0;
  if (py::isinstance<py::dict>(object)) return map_from(py::reinterpret_borrow<py::dict>(object), type, name);
  if (wants_sequence && (PyList_Check(object.ptr()) || PyTuple_Check(object.ptr()))) {
    Sequence items;
    const std::string inner = type.substr(type.find("seq(") + 4);
    for (const py::handle item : object) items.push_back(to_value(item, inner, name));
    return items;
  }
  return tensor_from(object, type, name);
}

py::object to_python(const Value& value) {
  if (value.empty()) return py::none();
  if (const auto* tensor = std::get_if<Tensor>(&value.data)) return array_from(*tensor);
  if (const auto* sequence = std::get_if<Sequence>(&value.data)) {
    py::list items;
    for (const Value& item : *sequence) {
      py::object made = to_python(item);
      // What is in a sequence may be shared with its feed or a constant.
      items.append(py::isinstance<py::array>(made) ? made.attr("copy")() : made);
    }
    return items;
  }
  const Map& map = std::get<Map>(value.data);
  const py::object values = array_from(map.values);
  py::dict made;
  std::visit(
      [&](const auto& keys) {
        for (size_t i = 0; i < keys.size(); ++i) {
          py::object item = values[py::int_(i)];
          if (py::hasattr(item, "item")) item = item.attr("item")();
          if constexpr (std::is_same_v<std::decay_t<decltype(keys[i])>, std::string>)
            made[text_of(keys[i])] = item;
          else
            made[py::int_(keys[i])] = item;
        }
      },
      map.keys);
  return made;
}

}  // namespace pyflame_rt::python
