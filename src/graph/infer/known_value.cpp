#include "graph/infer/known_value.h"

#include <algorithm>

#include "tensor/element.h"

namespace hearth::graph::infer {

std::optional<std::vector<int64_t>> KnownValue::integers() const {
  std::vector<int64_t> all;
  for (const Element& element : elements) {
    const auto* value = std::get_if<int64_t>(&element);
    if (value == nullptr) return std::nullopt;
    all.push_back(*value);
  }
  return all;
}

std::optional<std::vector<double>> KnownValue::numbers() const {
  std::vector<double> all;
  for (const Element& element : elements) {
    if (const auto* integer = std::get_if<int64_t>(&element))
      all.push_back(static_cast<double>(*integer));
    else if (const auto* real = std::get_if<double>(&element))
      all.push_back(*real);
    else
      return std::nullopt;
  }
  return all;
}

bool KnownValue::any_known() const {
  return elements.empty() ||
         std::ranges::any_of(elements, [](const Element& e) { return !std::holds_alternative<std::monostate>(e); });
}

bool may_be_known(DType dtype) {
  switch (dtype) {
    case DType::Bool:
    case DType::I8:
    case DType::I16:
    case DType::I32:
    case DType::I64:
    case DType::U8:
    case DType::U16:
    case DType::U32:
    case DType::U64:
    case DType::F16:
    case DType::BF16:
    case DType::F32:
    case DType::F64:
      return true;
    default:
      return false;
  }
}

std::optional<KnownValue> known_value(const Tensor& tensor) {
  if (!tensor || tensor.size() > kMaxKnownElements || !may_be_known(tensor.dtype())) return std::nullopt;
  if (tensor.size() == 0 && tensor.rank() > 1) return std::nullopt;
  KnownValue value;
  value.dtype = tensor.dtype();
  value.dims.assign(tensor.dims().begin(), tensor.dims().end());
  using Types = TypeList<bool, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, Half, BFloat16,
                         float, double>;
  with_type(Types{}, tensor.dtype(), [&]<class T>() {
    for (int64_t i = 0; i < tensor.size(); ++i) {
      const T element = tensor.data<T>()[i];
      if constexpr (std::is_same_v<T, uint64_t>)
        value.elements.push_back(element > INT64_MAX ? Element() : Element(static_cast<int64_t>(element)));
      else if constexpr (std::is_integral_v<T>)
        value.elements.emplace_back(static_cast<int64_t>(element));
      else
        value.elements.emplace_back(static_cast<double>(static_cast<ComputeType<T>>(element)));
    }
  });
  return value;
}

Dimension size_of(const Element& element) {
  if (const auto* value = std::get_if<int64_t>(&element)) return *value >= 0 ? Dimension(*value) : Dimension();
  if (const auto* symbol = std::get_if<std::string>(&element)) return Dimension(*symbol);
  return {};
}

Element element_of(const Dimension& size) {
  if (size.known()) return size.size;
  if (!size.symbol.empty()) return size.symbol;
  return std::monostate();
}

}  // namespace hearth::graph::infer
