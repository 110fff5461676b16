#include <algorithm>

#include "graph/infer/table.h"

namespace hearth::graph::infer {

namespace {

Shape joined(std::span<const Dimension> a, std::span<const Dimension> b, std::span<const Dimension> c = {}) {
  Shape all(a.begin(), a.end());
  all.insert(all.end(), b.begin(), b.end());
  all.insert(all.end(), c.begin(), c.end());
  return all;
}

Result<> gather(InferContext& c) {
  const Shape *data = c.shape(0), *indices = c.shape(1);
  if (data == nullptr) return {};
  ASSIGN_OR_RETURN(const size_t axis, c.axis(c.node().int_or("axis", 0), data->size()));
  if (indices == nullptr) return {};
  const std::span<const Dimension> all(*data);
  c.set_shape(0, joined(all.first(axis), *indices, all.subspan(axis + 1)));
  return {};
}

Result<> gather_elements(InferContext& c) {
  const Shape *data = c.shape(0), *indices = c.shape(1);
  if (data != nullptr) {
    TRY(c.axis(c.node().int_or("axis", 0), data->size()));
    TRY(c.need_rank(1, data->size()));
  }
  if (indices != nullptr) c.set_shape(0, *indices);
  return {};
}

Result<> gather_nd(InferContext& c) {
  const Shape *data = c.shape(0), *indices = c.shape(1);
  if (data == nullptr || indices == nullptr) return {};
  const int64_t batch = c.node().int_or("batch_dims", 0);
  const auto least = static_cast<int64_t>(std::min(data->size(), indices->size()));
  if (batch < 0 || batch >= std::max<int64_t>(least, 1))
    return c.invalid("attribute 'batch_dims'; got {} for {}", batch, c.describe_inputs());
  if (indices->empty()) return c.invalid("dimensions of input {}; need at least 1", c.describe(1));
  if (!indices->back().known()) return {};
  const int64_t taken = indices->back().size, rank = static_cast<int64_t>(data->size());
  if (taken < 1 || taken > rank - batch)
    return c.invalid("last size of indices; got {}, need 1..{} for {}", taken, rank - batch, c.describe(0));
  const std::span<const Dimension> all(*data), rows(*indices);
  c.set_shape(0, joined(rows.first(rows.size() - 1), all.subspan(static_cast<size_t>(batch + taken))));
  return {};
}

Result<> scatter_elements(InferContext& c) {
  c.same_shape();
  const Shape* data = c.shape(0);
  if (data == nullptr) return {};
  TRY(c.axis(c.node().int_or("axis", 0), data->size()));
  TRY(c.need_rank(1, data->size()));
  TRY(c.need_rank(2, data->size()));
  return {};
}

Result<> scatter_nd(InferContext& c) {
  c.same_shape();
  const Shape *data = c.shape(0), *indices = c.shape(1), *updates = c.shape(2);
  if (data == nullptr || indices == nullptr) return {};
  if (indices->empty()) return c.invalid("dimensions of input {}; need at least 1", c.describe(1));
  if (!indices->back().known()) return {};
  const int64_t taken = indices->back().size;
  if (taken > static_cast<int64_t>(data->size()))
    return c.invalid("last size of indices; got {}, need at most {} for {}", taken, data->size(), c.describe(0));
  if (updates == nullptr) return {};
  const size_t rank = indices->size() - 1 + data->size() - static_cast<size_t>(taken);
  return c.need_rank(2, rank);
}

// How many of the conditions hold.
Dimension chosen(const InferContext& c) {
  const auto conditions = c.integers(1);
  if (!conditions) return {};
  return std::ranges::count_if(*conditions, [](int64_t one) { return one != 0; });
}

// What is left of an axis, or of all elements in a row.
Result<> shortened(InferContext& c, Dimension left) {
  if (!c.node().has("axis")) {
    c.set_shape(0, {std::move(left)});
    return {};
  }
  const Shape* shape = c.shape(0);
  if (shape == nullptr) return {};
  ASSIGN_OR_RETURN(const size_t axis, c.axis(c.node().int_or("axis", 0), shape->size()));
  Shape result = *shape;
  result[axis] = std::move(left);
  c.set_shape(0, std::move(result));
  return {};
}

Result<> compress(InferContext& c) {
  return shortened(c, chosen(c));
}

Result<> non_zero(InferContext& c) {
  const Shape* shape = c.shape(0);
  c.set_shape(0, {shape != nullptr ? Dimension(static_cast<int64_t>(shape->size())) : Dimension(), Dimension()});
  return {};
}

Result<> one_hot(InferContext& c) {
  const Shape* indices = c.shape(0);
  if (indices == nullptr) return {};
  ASSIGN_OR_RETURN(const size_t axis, c.axis(c.node().int_or("axis", -1), indices->size() + 1));
  Dimension depth;
  if (const KnownValue* known = c.known(1); known != nullptr && known->size() == 1) {
    depth = size_of(known->elements[0]);
    if (const auto* real = std::get_if<double>(&known->elements[0]); real != nullptr && *real >= 0 && *real < 0x1p62)
      depth = static_cast<int64_t>(*real);
  }
  Shape result = *indices;
  result.insert(result.begin() + static_cast<std::ptrdiff_t>(axis), depth);
  c.set_shape(0, std::move(result));
  return {};
}

Result<> unique(InferContext& c) {
  for (size_t i = 1; i < 4; ++i) c.set_shape(i, {Dimension()});
  return shortened(c, Dimension());
}

Result<> non_max_suppression(InferContext& c) {
  TRY(c.need_rank(0, 3));
  TRY(c.need_rank(1, 3));
  c.set_shape(0, {Dimension(), 3});
  return {};
}

constexpr InferEntry kTable[] = {
    {"Compress", compress},
    {"Gather", gather},
    {"GatherElements", gather_elements},
    {"GatherND", gather_nd},
    {"NonMaxSuppression", non_max_suppression},
    {"NonZero", non_zero},
    {"OneHot", one_hot},
    {"Scatter", scatter_elements},
    {"ScatterElements", scatter_elements},
    {"ScatterND", scatter_nd},
    {"Unique", unique},
};

}  // namespace

std::span<const InferEntry> indexing_inference() {
  return kTable;
}

}  // namespace hearth::graph::infer
