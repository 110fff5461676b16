#include "graph/infer/sizes.h"

#include <algorithm>

namespace hearth::graph::infer {

std::optional<Dimension> same_size(const Dimension& a, const Dimension& b) {
  if (a.known() && b.known()) return a.size == b.size ? std::optional(a) : std::nullopt;
  if (a.known()) return a;
  if (b.known()) return b;
  return a.symbol.empty() ? b : a;
}

std::optional<Dimension> broadcast_size(const Dimension& a, const Dimension& b) {
  if (a.size == 1) return b;
  if (b.size == 1) return a;
  if (a.known() && b.known()) return a.size == b.size ? std::optional(a) : std::nullopt;
  if (a.known()) return a;  // the other is 1 or the same
  if (b.known()) return b;
  return a == b ? a : Dimension();
}

std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape result = longer;
  const size_t lead = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    auto size = broadcast_size(longer[lead + i], shorter[i]);
    if (!size) return std::nullopt;
    result[lead + i] = std::move(*size);
  }
  return result;
}

Dimension common_size(const Dimension& a, const Dimension& b) {
  return a == b ? a : Dimension();
}

Type common_type(const Type& a, const Type& b) {
  if (a.kind != b.kind) return {};
  Type common;
  common.kind = a.kind;
  if (a.dtype == b.dtype) common.dtype = a.dtype;
  if (a.shape && b.shape && a.shape->size() == b.shape->size()) {
    common.shape.emplace();
    for (size_t i = 0; i < a.shape->size(); ++i) common.shape->push_back(common_size((*a.shape)[i], (*b.shape)[i]));
  }
  if (a.inner != nullptr && b.inner != nullptr)
    common.inner = std::make_shared<const Type>(common_type(*a.inner, *b.inner));
  return common;
}

Dimension plus(const Dimension& a, int64_t b) {
  int64_t sum = 0;
  if (b == 0) return a;
  if (!a.known() || __builtin_add_overflow(a.size, b, &sum) || sum < 0) return {};
  return sum;
}

Dimension plus(const Dimension& a, const Dimension& b) {
  if (b.known()) return plus(a, b.size);
  return a.size == 0 ? b : Dimension();
}

Dimension times(const Dimension& a, const Dimension& b) {
  int64_t result = 0;
  if (a.size == 0 || b.size == 0) return 0;
  if (a.size == 1) return b;
  if (b.size == 1) return a;
  if (!a.known() || !b.known() || __builtin_mul_overflow(a.size, b.size, &result)) return {};
  return result;
}

Dimension product(std::span<const Dimension> sizes) {
  if (std::ranges::any_of(sizes, [](const Dimension& size) { return size.size == 0; })) return 0;
  Dimension result = 1;
  for (const Dimension& size : sizes) result = times(result, size);
  return result;
}

std::optional<Dimension> quotient(std::span<const Dimension> whole, std::span<const Dimension> parts) {
  Shape above(whole.begin(), whole.end()), below;
  for (const Dimension& part : parts) {
    const auto at = part.known() || part.symbol.empty() ? above.end() : std::ranges::find(above, part);
    if (at != above.end())
      above.erase(at);
    else
      below.push_back(part);
  }
  // Numbers divide numbers; what cannot be said of the rest stays open.
  const auto numbers_end = std::ranges::stable_partition(above, &Dimension::known).begin();
  const Shape rest(numbers_end, above.end());
  above.erase(numbers_end, above.end());
  const Dimension total = product(above), divisor = product(below);
  if (divisor.size == 1 && rest.empty()) return total;
  if (!total.known() || !divisor.known() || divisor.size == 0) return Dimension();
  const int64_t left = total.size / divisor.size;
  if (total.size == 0) return total;
  if (total.size % divisor.size != 0) return rest.empty() ? std::nullopt : std::optional<Dimension>(Dimension());
  return times(product(rest), left);
}

Shape unknown_shape(size_t rank) {
  return Shape(rank);
}

}  // namespace hearth::graph::infer
