// The order of a tensor's axes, and what a change of it does to shapes, constants and reshapes. An order p of a value v
// over a value u says v = Transpose<perm = p>(u): axis i of v is axis p[i] of u.
#pragma once

#include <optional>
#include <vector>

#include "graph/type.h"
#include "tensor/value.h"

namespace hearth::passes {

using Order = std::vector<int64_t>;

Order channels_first_of(size_t rank);  // [N, C, spatial…] over [N, spatial…, C]
Order channels_last_of(size_t rank);   // [N, spatial…, C] over [N, C, spatial…]
bool is_identity(const Order& order);
Order inverse(const Order& order);
// v over w is `outer`, w over u is `inner`: v over u.
Order composed(const Order& outer, const Order& inner);
std::optional<Order> order_of(std::span<const int64_t> perm, size_t rank);  // nullopt: no permutation of the axes

// The shape of Transpose<perm = order>(a value of this shape).
graph::Shape transposed(const graph::Shape& shape, const Order& order);
// Transpose<perm = order>(tensor), with ones put in front of the tensor's sizes up to the order's rank. nullopt when
// elements do not lie at whole bytes, are texts, or there is no memory.
std::optional<Tensor> transposed(const Tensor& tensor, const Order& order);
// Without sizes of 1 in front; at least one size is left when there was one.
Tensor without_leading_ones(const Tensor& tensor);

// What Reshape needs to do as Transpose<perm = order> does on a value of this shape: possible when only sizes of 1
// move, at most one size is unknown that does not stay at its place, and none is known to be 0.
std::optional<std::vector<int64_t>> as_reshape(const graph::Shape& shape, const Order& order);

// A reshape seen as merging neighbouring axes: for each axis of the result the axes of the input that it is made of.
// Axes of size 1 that fall away belong to none. nullopt when it is anything else.
using AxisGroups = std::vector<std::vector<size_t>>;
std::optional<AxisGroups> merged_axes(const graph::Shape& from, const graph::Shape& to);

// How Reshape(Transpose<order>(u)) is done on u: Transpose<order>(Reshape<sizes>(u)).
struct ReshapeOfSource {
  std::vector<int64_t> sizes;  // as Reshape takes them
  graph::Shape shape;          // of its result
  Order order;
  bool mixed = false;  // the elements within the last axis are in u's order; `order` is in order
};
// `shape` and `to`: before and after the reshape, both as v has them.
std::optional<ReshapeOfSource> reshape_source(const graph::Shape& shape, const graph::Shape& to, const Order& order);
// For a mixed one: the axes that the last one is made of, as v has them, and which of them u has first, second, ….
struct MixedAxes {
  std::vector<int64_t> sizes;
  Order order;
};
MixedAxes mixed_axes(const graph::Shape& shape, const graph::Shape& to, const Order& order);

}  // namespace hearth::passes
