#include "passes/axis_order.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace hearth::passes {

using graph::Dimension;
using graph::Shape;

namespace {

bool is_one(const Dimension& size) {
  return size.size == 1;
}
bool surely_equal(const Dimension& a, const Dimension& b) {
  return a.known() ? a.size == b.size : !b.known() && !a.symbol.empty() && a.symbol == b.symbol;
}
size_t at(const Order& order, size_t i) {
  return static_cast<size_t>(order[i]);
}

// Sizes as Reshape takes them: 0 where an unknown size stays at its place, one -1. nullopt when that does not say it.
// `from`: for each axis of the result the axis of the input that it is, or nullopt where it is made of several.
std::optional<std::vector<int64_t>> reshape_sizes(const Shape& to, const std::vector<std::optional<size_t>>& from) {
  std::vector<int64_t> sizes;
  bool open = false;
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i].size == 0) return std::nullopt;
    if (to[i].known()) {
      sizes.push_back(to[i].size);
    } else if (from[i] == i) {
      sizes.push_back(0);
    } else {
      if (open) return std::nullopt;
      open = true;
      sizes.push_back(-1);
    }
  }
  return sizes;
}

}  // namespace

Order channels_first_of(size_t rank) {
  Order order(rank);
  for (size_t i = 2; i < rank; ++i) order[i] = static_cast<int64_t>(i) - 1;
  order[1] = static_cast<int64_t>(rank) - 1;
  return order;
}

Order channels_last_of(size_t rank) {
  return inverse(channels_first_of(rank));
}

bool is_identity(const Order& order) {
  for (size_t i = 0; i < order.size(); ++i)
    if (at(order, i) != i) return false;
  return true;
}

Order inverse(const Order& order) {
  Order inverted(order.size());
  for (size_t i = 0; i < order.size(); ++i) inverted[at(order, i)] = static_cast<int64_t>(i);
  return inverted;
}

Order composed(const Order& outer, const Order& inner) {
  Order order(outer.size());
  for (size_t i = 0; i < outer.size(); ++i) order[i] = inner[at(outer, i)];
  return order;
}

std::optional<Order> order_of(std::span<const int64_t> perm, size_t rank) {
  Order order(perm.begin(), perm.end());
  if (perm.empty())
    for (size_t i = rank; i-- > 0;) order.push_back(static_cast<int64_t>(i));
  if (order.size() != rank) return std::nullopt;
  std::vector<bool> seen(rank);
  for (const int64_t axis : order) {
    if (axis < 0 || axis >= static_cast<int64_t>(rank) || seen[static_cast<size_t>(axis)]) return std::nullopt;
    seen[static_cast<size_t>(axis)] = true;
  }
  return order;
}

Shape transposed(const Shape& shape, const Order& order) {
  Shape result;
  for (size_t i = 0; i < order.size(); ++i) result.push_back(shape[at(order, i)]);
  return result;
}

std::optional<Tensor> transposed(const Tensor& tensor, const Order& order) {
  const DTypeInfo& element = info(tensor.dtype());
  if (tensor.dtype() == DType::String || element.block_elements != 1 || tensor.dims().size() > order.size())
    return std::nullopt;
  const size_t rank = order.size(), lead = rank - tensor.dims().size(),
               width = static_cast<size_t>(element.block_bytes);
  std::vector<int64_t> sizes(rank, 1), strides(rank, 1);
  std::ranges::copy(tensor.dims(), sizes.begin() + static_cast<ptrdiff_t>(lead));
  for (size_t i = rank - 1; i-- > 0;) strides[i] = strides[i + 1] * sizes[i + 1];
  Dims dims;
  std::vector<int64_t> steps;
  for (size_t i = 0; i < rank; ++i) {
    dims.push_back(sizes[at(order, i)]);
    steps.push_back(strides[at(order, i)]);
  }
  auto made = Tensor::allocate(tensor.dtype(), dims);
  if (!made) return std::nullopt;
  auto* to = made->mutable_data<std::byte>();
  const auto* from = tensor.data<std::byte>();
  std::vector<int64_t> index(rank);
  int64_t offset = 0;
  for (int64_t n = 0; n < made->size(); ++n, to += width) {
    std::memcpy(to, from + static_cast<size_t>(offset) * width, width);
    for (size_t i = rank; i-- > 0;) {
      offset += steps[i];
      if (++index[i] < dims[i]) break;
      offset -= steps[i] * dims[i];
      index[i] = 0;
    }
  }
  return std::move(*made);
}

Tensor without_leading_ones(const Tensor& tensor) {
  Dims dims = tensor.dims();
  while (dims.rank() > 1 && dims[0] == 1) dims.erase(0);
  return tensor.reshaped(dims);
}

std::optional<std::vector<int64_t>> as_reshape(const Shape& shape, const Order& order) {
  int64_t last = -1;
  std::vector<std::optional<size_t>> from;
  for (size_t i = 0; i < order.size(); ++i) {
    from.emplace_back(at(order, i));
    if (is_one(shape[at(order, i)])) continue;
    if (order[i] < last) return std::nullopt;
    last = order[i];
  }
  return reshape_sizes(transposed(shape, order), from);
}

std::optional<AxisGroups> merged_axes(const Shape& from, const Shape& to) {
  size_t left = 0, right = 0;
  const size_t m = from.size(), n = to.size();
  while (left < m && left < n && surely_equal(from[left], to[left])) ++left;
  while (m - right > left && n - right > left && surely_equal(from[m - 1 - right], to[n - 1 - right])) ++right;
  const size_t from_end = m - right, to_end = n - right;
  if (to_end - left > 1) return std::nullopt;
  if (to_end == left && !std::all_of(from.begin() + static_cast<ptrdiff_t>(left),
                                     from.begin() + static_cast<ptrdiff_t>(from_end), is_one))
    return std::nullopt;
  AxisGroups groups;
  for (size_t i = 0; i < left; ++i) groups.push_back({i});
  if (to_end > left) {
    std::vector<size_t>& group = groups.emplace_back();
    for (size_t i = left; i < from_end; ++i) group.push_back(i);
  }
  for (size_t i = from_end; i < m; ++i) groups.push_back({i});
  return groups;
}

std::optional<ReshapeOfSource> reshape_source(const Shape& shape, const Shape& to, const Order& order) {
  const auto groups = merged_axes(shape, to);
  if (!groups) return std::nullopt;
  // Where the axes that matter lie in u.
  const auto places = [&](const std::vector<size_t>& group) {
    std::vector<int64_t> found;
    for (const size_t axis : group)
      if (!is_one(shape[axis])) found.push_back(order[axis]);
    return found;
  };
  std::vector<int64_t> owner(order.size(), -1);  // of each axis of u: the group
  for (size_t g = 0; g < groups->size(); ++g)
    for (const int64_t place : places((*groups)[g])) owner[static_cast<size_t>(place)] = static_cast<int64_t>(g);
  const auto whole = [&](const std::vector<int64_t>& found) {  // in order, nothing of another group between
    if (!std::ranges::is_sorted(found)) return false;
    for (int64_t i = found.front(); i <= found.back(); ++i)
      if (const int64_t g = owner[static_cast<size_t>(i)]; g >= 0 && g != owner[static_cast<size_t>(found.front())])
        return false;
    return true;
  };

  ReshapeOfSource made;
  std::vector<size_t> sequence;  // groups in the order of u
  std::vector<std::pair<int64_t, size_t>> placed;
  for (size_t g = 0; g < groups->size(); ++g) {
    const auto found = places((*groups)[g]);
    if (found.empty()) continue;
    if (!whole(found)) {
      if (g + 1 != groups->size()) return std::nullopt;
      made.mixed = true;
    }
    placed.emplace_back(made.mixed ? std::ranges::min(found) : found.front(), g);
  }
  std::ranges::sort(placed);
  for (const auto& [place, g] : placed) sequence.push_back(g);
  for (size_t g = 0; g < groups->size(); ++g)
    if (places((*groups)[g]).empty()) {  // sizes of 1 stand where they do no harm: behind the group before them
      const auto before = g == 0 ? sequence.begin() : std::ranges::find(sequence, g - 1) + 1;
      sequence.insert(before, g);
    }
  std::vector<std::optional<size_t>> from;
  for (const size_t g : sequence) {
    made.shape.push_back(to[g]);
    const auto found = places((*groups)[g]);
    from.push_back(found.size() == 1 ? std::optional(static_cast<size_t>(found[0])) : std::nullopt);
  }
  made.order.resize(sequence.size());
  for (size_t i = 0; i < sequence.size(); ++i) made.order[sequence[i]] = static_cast<int64_t>(i);
  if (made.mixed) {
    // Only the numbers within the last axis may be out of order, and their places must be known.
    if (!is_identity(made.order)) return std::nullopt;
    const auto found = places(groups->back());
    for (int64_t i = std::ranges::min(found); i < static_cast<int64_t>(order.size()); ++i)
      if (const int64_t g = owner[static_cast<size_t>(i)]; g >= 0 && g + 1 != static_cast<int64_t>(groups->size()))
        return std::nullopt;
    for (const size_t axis : groups->back())
      if (!shape[axis].known()) return std::nullopt;
  }
  const auto sizes = reshape_sizes(made.shape, from);
  if (!sizes) return std::nullopt;
  made.sizes = *sizes;
  return made;
}

MixedAxes mixed_axes(const Shape& shape, const Shape& to, const Order& order) {
  const auto groups = merged_axes(shape, to);
  CHECK(groups && !groups->empty());
  const std::vector<size_t>& group = groups->back();
  MixedAxes made;
  for (size_t i = 0; i < group.size(); ++i) {
    made.sizes.push_back(shape[group[i]].size);
    made.order.push_back(static_cast<int64_t>(i));
  }
  std::ranges::sort(made.order, {}, [&](int64_t i) { return order[group[static_cast<size_t>(i)]]; });
  return made;
}

}  // namespace hearth::passes
