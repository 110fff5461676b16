// Arithmetic on sizes that may be unknown or symbols. What cannot be known is the unknown size.
#pragma once

#include <optional>
#include <span>

#include "graph/type.h"

namespace hearth::graph::infer {

__extension__ using Wide = __int128;  // for sums and products of numbers that a model chooses

// Both are the size of one dimension: nullopt when they contradict.
std::optional<Dimension> same_size(const Dimension& a, const Dimension& b);
// The size that two dimensions broadcast to: nullopt when they do not.
std::optional<Dimension> broadcast_size(const Dimension& a, const Dimension& b);
std::optional<Shape> broadcast(const Shape& a, const Shape& b);

// What two alternatives have in common: a size that differs becomes unknown, and so does a rank.
Dimension common_size(const Dimension& a, const Dimension& b);
Type common_type(const Type& a, const Type& b);  // Unknown when the kinds differ

Dimension plus(const Dimension& a, int64_t b);
Dimension plus(const Dimension& a, const Dimension& b);
Dimension times(const Dimension& a, const Dimension& b);
Dimension product(std::span<const Dimension> sizes);
// The size that makes product(whole) of product(parts) · it; symbols on both sides cancel. Unknown when that cannot be
// told; nullopt when it does not divide.
std::optional<Dimension> quotient(std::span<const Dimension> whole, std::span<const Dimension> parts);

Shape unknown_shape(size_t rank);

}  // namespace hearth::graph::infer
