// LabelEncoder (all versions) and CategoryMapper: a table from keys to values, made once.
#include <bit>
#include <cmath>
#include <cstring>
#include <unordered_map>

#include "operators/convert.h"
#include "operators/ml/attributes.h"
#include "operators/ml/kernels.h"

namespace hearth::operators::ml {

namespace {

// Keys are strings, or numbers as 64 bits: integers themselves, floats by the bits of their double with one NaN and one
// zero. Values lie in a tensor; the element behind the last value is what keys that are not there get.
struct Table final : Prepared {
  DType key_type = DType::String;
  std::unordered_map<std::string, int64_t> by_text;
  std::unordered_map<uint64_t, int64_t> by_number;
  Tensor values;
};

uint64_t bits_of(double value) {
  if (std::isnan(value)) return 0x7ff8000000000000u;
  return std::bit_cast<uint64_t>(value == 0 ? 0.0 : value);
}

// count elements of a numeric type as keys.
std::vector<uint64_t> number_keys(DType dtype, const void* from, int64_t count) {
  std::vector<uint64_t> keys(static_cast<size_t>(count));
  if (is_integer(dtype)) {
    std::vector<int64_t> whole(keys.size());
    to_int64s(dtype, from, whole.data(), count);
    for (size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<uint64_t>(whole[i]);
  } else {
    std::vector<double> real(keys.size());
    to_doubles(dtype, from, real.data(), count);
    for (size_t i = 0; i < keys.size(); ++i) keys[i] = bits_of(real[i]);
  }
  return keys;
}

bool is_table_type(DType dtype) {
  return dtype == DType::String || is_integer(dtype) || dtype == DType::F32 || dtype == DType::F64;
}

Result<Tensor> tensor_of_list(DType dtype, const void* from, size_t count) {
  ASSIGN_OR_RETURN(Tensor made, Tensor::allocate(dtype, {static_cast<int64_t>(count)}));
  if (dtype == DType::String)
    std::copy_n(static_cast<const std::string*>(from), count, made.mutable_data<std::string>());
  else if (count > 0)
    std::memcpy(made.mutable_raw(), from, made.bytes());
  return made;
}

// The one list or tensor `prefix`_strings, _int64s, _floats or _tensor; no tensor when none is there.
Result<Tensor> list_of(const graph::Node& node, std::string_view prefix) {
  const auto name = [&](std::string_view suffix) { return std::string(prefix) + std::string(suffix); };
  const auto texts = node.strings(name("_strings"));
  const auto ints = node.ints(name("_int64s"));
  const auto floats = node.floats(name("_floats"));
  const Tensor* tensor = node.tensor(name("_tensor"));
  const int given = int{!texts.empty()} + int{!ints.empty()} + int{!floats.empty()} + int{tensor != nullptr};
  if (given > 1) return invalid_node(node, "{}; got {} lists, need one", prefix, given);
  if (!texts.empty()) return tensor_of_list(DType::String, texts.data(), texts.size());
  if (!ints.empty()) return tensor_of_list(DType::I64, ints.data(), ints.size());
  if (!floats.empty()) return tensor_of_list(DType::F32, floats.data(), floats.size());
  if (tensor == nullptr) return Tensor();
  if (!is_table_type(tensor->dtype()))
    return invalid_node(node, "{}_tensor; got {}, need strings, integers or floats", prefix,
                        to_string(tensor->dtype()));
  return *tensor;
}

// values followed by the one for keys that are not there.
Result<Tensor> with_default(const graph::Node& node, const Tensor& values) {
  ASSIGN_OR_RETURN(Tensor made, Tensor::allocate(values.dtype(), {values.size() + 1}));
  const Tensor* otherwise = node.tensor("default_tensor");
  if (otherwise != nullptr && (otherwise->dtype() != values.dtype() || otherwise->size() != 1))
    return invalid_node(node, "default_tensor; got {} elements of {}, need one of {}", otherwise->size(),
                        to_string(otherwise->dtype()), to_string(values.dtype()));
  void* last = element_at(values.dtype(), made.mutable_raw(), values.size());
  if (values.dtype() == DType::String) {
    std::ranges::copy(values.strings(), made.mutable_data<std::string>());
    *static_cast<std::string*>(last) =
        otherwise != nullptr ? otherwise->strings()[0] : std::string(node.string_or("default_string", "_Unused"));
    return made;
  }
  if (values.size() > 0) std::memcpy(made.mutable_raw(), values.raw(), values.bytes());
  if (otherwise != nullptr) {
    std::memcpy(last, otherwise->raw(), otherwise->bytes());
  } else if (is_integer(values.dtype())) {
    const int64_t whole = node.int_or("default_int64", -1);
    from_int64s(&whole, false, values.dtype(), last, 1);
  } else {
    const float real = node.float_or("default_float", -0.0f);
    from_floats(&real, values.dtype(), last, 1);
  }
  return made;
}

Result<std::unique_ptr<Table>> table_of(const graph::Node& node, const Tensor& keys, const Tensor& values) {
  if (keys.size() != values.size())
    return invalid_node(node, "keys and values; got {} and {}, need as many of both", keys.size(), values.size());
  auto table = std::make_unique<Table>();
  table->key_type = keys.dtype();
  ASSIGN_OR_RETURN(table->values, with_default(node, values));
  if (keys.dtype() == DType::String) {
    for (int64_t i = 0; i < keys.size(); ++i) table->by_text[keys.strings()[static_cast<size_t>(i)]] = i;
  } else {
    const std::vector<uint64_t> numbers = number_keys(keys.dtype(), keys.raw(), keys.size());
    for (size_t i = 0; i < numbers.size(); ++i) table->by_number[numbers[i]] = static_cast<int64_t>(i);
  }
  return table;
}

// Version 1 of LabelEncoder and CategoryMapper have two tables: which one serves is the input's type.
struct TwoTables final : Prepared {
  std::unique_ptr<Table> from_text, from_int;
};

Result<std::unique_ptr<Prepared>> two_tables(const graph::Node& node, std::span<const std::string> texts,
                                             std::span<const int64_t> ints) {
  ASSIGN_OR_RETURN(const Tensor text, tensor_of_list(DType::String, texts.data(), texts.size()));
  ASSIGN_OR_RETURN(const Tensor number, tensor_of_list(DType::I64, ints.data(), ints.size()));
  auto made = std::make_unique<TwoTables>();
  ASSIGN_OR_RETURN(made->from_text, table_of(node, text, number));
  ASSIGN_OR_RETURN(made->from_int, table_of(node, number, text));
  return made;
}

Result<> look_up(Call& call, const Table& table, const Tensor& x) {
  if (x.dtype() != table.key_type)
    return call.invalid("element type; got {}, need {}, that of the keys", to_string(x.dtype()),
                        to_string(table.key_type));
  const DType made_type = table.values.dtype();
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, made_type, x.dims()));
  const int64_t missing = table.values.size() - 1;
  std::vector<int64_t> found(static_cast<size_t>(x.size()), missing);
  if (x.dtype() == DType::String) {
    for (size_t i = 0; i < found.size(); ++i)
      if (const auto at = table.by_text.find(x.strings()[i]); at != table.by_text.end()) found[i] = at->second;
  } else {
    const std::vector<uint64_t> keys = number_keys(x.dtype(), x.raw(), x.size());
    for (size_t i = 0; i < found.size(); ++i)
      if (const auto at = table.by_number.find(keys[i]); at != table.by_number.end()) found[i] = at->second;
  }
  if (made_type == DType::String) {
    for (size_t i = 0; i < found.size(); ++i)
      y->mutable_data<std::string>()[i] = table.values.strings()[static_cast<size_t>(found[i])];
    return {};
  }
  with_width(bytes_of(made_type, 1), [&]<class T>() {
    for (size_t i = 0; i < found.size(); ++i) y->mutable_data<T>()[i] = table.values.data<T>()[found[i]];
  });
  return {};
}

Result<> look_up_either(Call& call, const TwoTables& tables, const Tensor& x) {
  return look_up(call, x.dtype() == DType::String ? *tables.from_text : *tables.from_int, x);
}

}  // namespace

Result<std::unique_ptr<Prepared>> prepare_label_encoder(const graph::Node& node, int64_t opset,
                                                        std::span<const Tensor* const> /*constants*/) {
  if (opset < 2) {
    const auto classes = node.strings("classes_strings");
    std::vector<int64_t> numbers(classes.size());
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int64_t>(i);
    return two_tables(node, classes, numbers);
  }
  ASSIGN_OR_RETURN(const Tensor keys, list_of(node, "keys"));
  ASSIGN_OR_RETURN(const Tensor values, list_of(node, "values"));
  if (!keys || !values) return invalid_node(node, "keys_* and values_*; got nothing for one of them, need both");
  return table_of(node, keys, values);
}

Result<std::unique_ptr<Prepared>> prepare_category_mapper(const graph::Node& node, int64_t /*opset*/,
                                                          std::span<const Tensor* const> /*constants*/) {
  return two_tables(node, node.strings("cats_strings"), node.ints("cats_int64s"));
}

Result<> label_encoder(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  CHECK(call.prepared() != nullptr);
  if (call.opset() < 2) return look_up_either(call, *static_cast<const TwoTables*>(call.prepared()), *x);
  return look_up(call, *static_cast<const Table*>(call.prepared()), *x);
}

Result<> category_mapper(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  CHECK(call.prepared() != nullptr);
  return look_up_either(call, *static_cast<const TwoTables*>(call.prepared()), *x);
}

}  // namespace hearth::operators::ml
