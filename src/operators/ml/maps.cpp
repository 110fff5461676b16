// Operators of maps: CastMap, DictVectorizer, ZipMap.
#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "operators/convert.h"
#include "operators/elementwise/number_text.h"
#include "operators/ml/attributes.h"
#include "operators/ml/kernels.h"

namespace hearth::operators::ml {

namespace {

Result<const Map*> map_input(const Call& call) {
  if (!call.has(0)) return call.invalid("input 0 is absent; it is required");
  const Map* map = call.value(0).map();
  if (map == nullptr)
    return call.invalid("input 0; got a {}, need a map", call.value(0).tensor() != nullptr ? "tensor" : "sequence");
  return map;
}

// Value `from` of a map as element `to` of a tensor of another type: text is read, numbers are written out.
Result<> convert_value(const Call& call, const Tensor& values, int64_t from, Tensor& y, int64_t to) {
  void* target = element_at(y.dtype(), y.mutable_raw(), to);
  const void* source = element_at(values.dtype(), values.raw(), from);
  if (values.dtype() == DType::String && y.dtype() == DType::String) {
    *static_cast<std::string*>(target) = *static_cast<const std::string*>(source);
  } else if (y.dtype() == DType::String) {
    *static_cast<std::string*>(target) = number_text(values.dtype(), source);
  } else if (values.dtype() == DType::String) {
    const auto& text = *static_cast<const std::string*>(source);
    const auto whole = is_integer(y.dtype()) ? parse_int(text, false) : std::nullopt;
    const auto real = parse_double(text);
    if (is_integer(y.dtype()) ? !whole.has_value() : !real.has_value())
      return call.invalid("value {} of the map; got '{}', need a number", from, std::string_view(text).substr(0, 64));
    if (whole)
      from_int64s(&*whole, false, y.dtype(), target, 1);
    else
      from_doubles(&*real, y.dtype(), target, 1);
  } else if (is_integer(values.dtype())) {
    int64_t whole = 0;
    to_int64s(values.dtype(), source, &whole, 1);
    from_int64s(&whole, is_unsigned(values.dtype()), y.dtype(), target, 1);
  } else {
    double real = 0;
    to_doubles(values.dtype(), source, &real, 1);
    from_doubles(&real, y.dtype(), target, 1);
  }
  return {};
}

void clear(Tensor& tensor) {
  if (tensor.dtype() != DType::String)
    std::fill_n(static_cast<std::byte*>(tensor.mutable_raw()), tensor.bytes(), std::byte{0});
}

}  // namespace

// Of sizes [1, n]: the values in the order of their keys, or (SPARSE) each at its key.
Result<> cast_map(Call& call) {
  ASSIGN_OR_RETURN(const Map* map, map_input(call));
  const auto* keys = std::get_if<std::vector<int64_t>>(&map->keys);
  if (keys == nullptr) return call.invalid("keys of the map; got strings, need integers");
  const std::string_view cast_to = call.node().string_or("cast_to", "TO_FLOAT");
  const std::string_view form = call.node().string_or("map_form", "DENSE");
  DType dtype = DType::F32;
  if (cast_to == "TO_STRING")
    dtype = DType::String;
  else if (cast_to == "TO_INT64")
    dtype = DType::I64;
  else if (cast_to != "TO_FLOAT")
    return call.invalid("cast_to; got '{}', need TO_FLOAT, TO_STRING or TO_INT64", cast_to);
  if (form != "DENSE" && form != "SPARSE") return call.invalid("map_form; got '{}', need DENSE or SPARSE", form);
  const bool sparse = form == "SPARSE";
  const int64_t max_map = call.node().int_or("max_map", 1);
  if (sparse && max_map < 1) return call.invalid("max_map; got {}, need at least 1", max_map);

  std::vector<size_t> order(keys->size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return (*keys)[i]; });
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, dtype, {1, sparse ? max_map : static_cast<int64_t>(keys->size())}));
  clear(*y);
  int64_t next = 0;
  for (const size_t i : order) {
    const int64_t key = (*keys)[i];
    if (sparse && (key < 0 || key >= max_map))
      return call.invalid("key of the map; got {}, need at least 0 and less than max_map, {}", key, max_map);
    TRY(convert_value(call, map->values, static_cast<int64_t>(i), *y, sparse ? key : next++));
  }
  return {};
}

Result<> dict_vectorizer(Call& call) {
  ASSIGN_OR_RETURN(const Map* map, map_input(call));
  const auto ints = call.node().ints("int64_vocabulary");
  const auto texts = call.node().strings("string_vocabulary");
  if (ints.empty() == texts.empty())
    return call.invalid("vocabulary; got {}, need one of int64_vocabulary and string_vocabulary",
                        ints.empty() ? "none" : "both");
  const auto count = static_cast<int64_t>(std::max(ints.size(), texts.size()));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, map->values.dtype(), {count}));
  clear(*y);
  const auto fill = [&](const auto& keys, const auto& vocabulary) -> Result<> {
    using Key = std::decay_t<decltype(vocabulary[0])>;
    std::unordered_map<Key, int64_t> places;
    for (size_t i = 0; i < vocabulary.size(); ++i) places.emplace(vocabulary[i], static_cast<int64_t>(i));
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto at = places.find(keys[i]);
      if (at == places.end()) return call.invalid("key of the map; got '{}', which is not in the vocabulary", keys[i]);
      TRY(convert_value(call, map->values, static_cast<int64_t>(i), *y, at->second));
    }
    return {};
  };
  if (const auto* keys = std::get_if<std::vector<std::string>>(&map->keys)) {
    if (texts.empty()) return call.invalid("keys of the map; got strings, need integers as in the vocabulary");
    return fill(*keys, texts);
  }
  if (ints.empty()) return call.invalid("keys of the map; got integers, need strings as in the vocabulary");
  return fill(std::get<std::vector<int64_t>>(map->keys), ints);
}

Result<> zip_map(Call& call) {
  ASSIGN_OR_RETURN(const Labels labels, labels_of(call.node(), "classlabels_int64s", "classlabels_strings"));
  ASSIGN_OR_RETURN(const Rows rows, rows_of(call));
  if (rows.tensor->dtype() != DType::F32)
    return call.unsupported("element type; got {}, need f32", to_string(rows.tensor->dtype()));
  if (static_cast<int64_t>(labels.count()) != rows.features)
    return call.invalid("class labels; got {}, need {}, one for each column", labels.count(), rows.features);
  auto sequence = std::make_shared<Sequence>();  // a value of the graph: several readers share it
  for (int64_t r = 0; r < rows.count; ++r) {
    ASSIGN_OR_RETURN(Tensor values, Tensor::allocate(DType::F32, {rows.features}, call.memory()));
    std::copy_n(rows.tensor->data<float>() + r * rows.features, rows.features, values.mutable_data<float>());
    auto map = std::make_shared<Map>();  // likewise
    if (labels.text())
      map->keys = labels.strings;
    else
      map->keys = labels.ints;
    map->values = std::move(values);
    sequence->items.emplace_back(std::shared_ptr<const Map>(std::move(map)));
  }
  call.set_output(0, Value(std::shared_ptr<const Sequence>(std::move(sequence))));
  return {};
}

}  // namespace hearth::operators::ml
