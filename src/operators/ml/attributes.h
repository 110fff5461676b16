// How the ai.onnx.ml kernels read their attributes and inputs.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "operators/kernel.h"

namespace hearth::operators::ml {

// `[op 'name'] what`, for prepare functions, which have no call.
template <class... Args>
[[nodiscard]] std::unexpected<Error> invalid_node(const graph::Node& node, fmt::format_string<Args...> text,
                                                  Args&&... args) {
  const std::string what = fmt::format(text, std::forward<Args>(args)...);
  return std::unexpected(Error{ErrorKind::Invalid, node.name.empty()
                                                       ? fmt::format("[{}] {}", node.op_type, what)
                                                       : fmt::format("[{} '{}'] {}", node.op_type, node.name, what)});
}

// The list `name`, or the tensor `name`_as_tensor that may stand for it. Empty when both are absent; Invalid when the
// tensor holds no floats.
Result<std::vector<double>> numbers(const graph::Node& node, std::string_view name);

// Labels of classes: of one kind, or none.
struct Labels {
  std::vector<int64_t> ints;
  std::vector<std::string> strings;
  size_t count() const { return std::max(ints.size(), strings.size()); }
  bool text() const { return !strings.empty(); }
};
// Invalid when both attributes are given.
Result<Labels> labels_of(const graph::Node& node, std::string_view ints, std::string_view strings);

// Output i of n labels (i64, or strings when the labels are); label k is that of class classes[k]. A class without a
// label of its own is its number.
Result<> write_labels(Call& call, int i, const Labels& labels, const std::vector<int64_t>& classes);

// Input 0 as rows of numbers: [N, F], or [F] as one row. Numeric types only.
struct Rows {
  const Tensor* tensor = nullptr;
  int64_t count = 0, features = 0;
  // Row r as doubles, exact but for integers beyond 2^53.
  void read(int64_t r, double* to) const;
};
Result<Rows> rows_of(const Call& call);

}  // namespace hearth::operators::ml
