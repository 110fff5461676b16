// Elements of small tensors as far as they are known before a run: shapes on their way to a Reshape.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "graph/type.h"
#include "tensor/value.h"

namespace hearth::graph::infer {

inline constexpr int64_t kMaxKnownElements = 256;

// Nothing, an integer (bools: 0 or 1), a float, or the symbol of a size.
using Element = std::variant<std::monostate, int64_t, double, std::string>;

struct KnownValue {
  DType dtype = DType::I64;
  std::vector<int64_t> dims;  // of the tensor
  std::vector<Element> elements;

  bool is_float() const { return info(dtype).kind == DTypeClass::Float; }
  int64_t size() const { return static_cast<int64_t>(elements.size()); }
  const int64_t* integer(size_t i) const { return std::get_if<int64_t>(&elements[i]); }
  std::optional<std::vector<int64_t>> integers() const;  // all of them, or nothing
  std::optional<std::vector<double>> numbers() const;    // integers and floats
  bool any_known() const;
};

// bool, integers and floats, up to kMaxKnownElements.
std::optional<KnownValue> known_value(const Tensor& tensor);
bool may_be_known(DType dtype);

// An element as a size: negative integers are none. The other way round: unknown sizes are unknown elements.
Dimension size_of(const Element& element);
Element element_of(const Dimension& size);

}  // namespace hearth::graph::infer
