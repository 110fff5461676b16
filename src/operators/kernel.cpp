#include "operators/kernel.h"

#include <map>

namespace hearth::operators {

namespace {

std::vector<std::span<const KernelEntry>> families() {
  return {elementwise_kernels(), reduction_kernels(), array_kernels(), matrix_kernels(),
          control_kernels(),     ml_kernels(),        fused_kernels()};
}

using Key = std::pair<std::string_view, std::string_view>;

const std::multimap<Key, const KernelEntry*>& by_name() {
  static const auto table = [] {
    std::multimap<Key, const KernelEntry*> made;
    for (const auto& family : families())
      for (const KernelEntry& entry : family) made.emplace(Key{entry.domain, entry.op_type}, &entry);
    return made;
  }();
  return table;
}

}  // namespace

const KernelEntry* find_kernel(std::string_view domain, std::string_view op_type, int64_t opset) {
  if (domain == "ai.onnx") domain = "";
  const auto [first, last] = by_name().equal_range(Key{domain, op_type});
  for (auto it = first; it != last; ++it)
    if (it->second->since <= opset && opset < it->second->until) return it->second;
  return nullptr;
}

std::vector<const KernelEntry*> all_kernels() {
  std::vector<const KernelEntry*> all;
  for (const auto& family : families())
    for (const KernelEntry& entry : family) all.push_back(&entry);
  return all;
}

Result<const Tensor*> Call::tensor(int i) const {
  if (!has(i)) return invalid("input {} is absent; it is required", i);
  const Tensor* held = value(i).tensor();
  if (held == nullptr)
    return invalid("input {} is no tensor; got a {}", i, value(i).sequence() != nullptr ? "sequence" : "map");
  return held;
}

std::unexpected<Error> Call::failed(ErrorKind kind, std::string text) const {
  const std::string_view name = node().name;
  return std::unexpected(Error{kind, name.empty() ? fmt::format("[{}] {}", node().op_type, text)
                                                  : fmt::format("[{} '{}'] {}", node().op_type, name, text)});
}

}  // namespace hearth::operators
