// The order that top_k and sample share: by value, largest first, ties by lower index.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

namespace hearth::ops::ref {

inline std::vector<int32_t> descending_order(const std::vector<double>& values) {
  std::vector<int32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return values[static_cast<size_t>(a)] > values[static_cast<size_t>(b)];
  });
  return order;
}

}  // namespace hearth::ops::ref
