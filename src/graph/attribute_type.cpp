#include "graph/attribute_type.h"

#include <algorithm>

namespace hearth::graph {

namespace {

struct Entry {
  AttributeType type;
  std::string_view name;
};
// In the order of Attribute::Data's alternatives.
constexpr Entry kEntries[] = {
    {AttributeType::Int, "int"},
    {AttributeType::Float, "float"},
    {AttributeType::String, "string"},
    {AttributeType::Tensor, "tensor"},
    {AttributeType::SparseTensor, "sparse_tensor"},
    {AttributeType::Type, "type_proto"},
    {AttributeType::Graph, "graph"},
    {AttributeType::Ints, "ints"},
    {AttributeType::Floats, "floats"},
    {AttributeType::Strings, "strings"},
    {AttributeType::Tensors, "tensors"},
    {AttributeType::Types, "type_protos"},
    {AttributeType::Graphs, "graphs"},
};
static_assert(std::size(kEntries) == std::variant_size_v<Attribute::Data>);
template <AttributeType kType, class T>
constexpr bool kHolds = [] {
  constexpr size_t index = static_cast<size_t>(std::ranges::find(kEntries, kType, &Entry::type) - kEntries);
  return std::is_same_v<std::variant_alternative_t<index, Attribute::Data>, T>;
}();
static_assert(kHolds<AttributeType::SparseTensor, SparseTensor> && kHolds<AttributeType::Type, Type> &&
              kHolds<AttributeType::Ints, std::vector<int64_t>> && kHolds<AttributeType::Types, std::vector<Type>>);

template <size_t... kIndex>
Attribute::Data make(size_t index, std::index_sequence<kIndex...>) {
  Attribute::Data data;
  ((index == kIndex ? void(data.emplace<kIndex>()) : void()), ...);
  return data;
}

}  // namespace

AttributeType type_of(const Attribute::Data& data) {
  return kEntries[data.index()].type;
}

Attribute::Data empty_data(AttributeType type) {
  const auto index = static_cast<size_t>(std::ranges::find(kEntries, type, &Entry::type) - kEntries);
  Attribute::Data data = make(index, std::make_index_sequence<std::variant_size_v<Attribute::Data>>{});
  if (auto* graph = std::get_if<std::unique_ptr<Graph>>(&data)) *graph = std::make_unique<Graph>();
  return data;
}

std::string_view to_string(AttributeType type) {
  return std::ranges::find(kEntries, type, &Entry::type)->name;
}

std::optional<AttributeType> parse_attribute_type(std::string_view name) {
  const auto* at = std::ranges::find(kEntries, name, &Entry::name);
  return at != std::end(kEntries) ? std::optional(at->type) : std::nullopt;
}

std::vector<std::string_view> attribute_type_names() {
  std::vector<std::string_view> names;
  for (const Entry& entry : kEntries) names.push_back(entry.name);
  return names;
}

bool is_list(AttributeType type) {
  return to_string(type).ends_with('s');
}

AttributeType element_of(AttributeType list) {
  CHECK(is_list(list));
  std::string_view name = to_string(list);
  name.remove_suffix(1);
  return *parse_attribute_type(name);
}

}  // namespace hearth::graph
