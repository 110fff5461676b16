#include "operators/ml/attributes.h"

#include "operators/convert.h"

namespace hearth::operators::ml {

Result<std::vector<double>> numbers(const graph::Node& node, std::string_view name) {
  const auto list = node.floats(name);
  if (!list.empty()) return std::vector<double>(list.begin(), list.end());
  const std::string as_tensor = std::string(name) + "_as_tensor";
  const Tensor* tensor = node.tensor(as_tensor);
  if (tensor == nullptr) tensor = node.tensor(name);
  if (tensor == nullptr) return std::vector<double>();
  if (!is_float(tensor->dtype()))
    return invalid_node(node, "{}; got {}, need floats", as_tensor, to_string(tensor->dtype()));
  std::vector<double> values(static_cast<size_t>(tensor->size()));
  to_doubles(tensor->dtype(), tensor->raw(), values.data(), tensor->size());
  return values;
}

Result<Labels> labels_of(const graph::Node& node, std::string_view ints, std::string_view strings) {
  Labels labels;
  labels.ints.assign(node.ints(ints).begin(), node.ints(ints).end());
  labels.strings.assign(node.strings(strings).begin(), node.strings(strings).end());
  if (!labels.ints.empty() && !labels.strings.empty())
    return invalid_node(node, "labels; got both {} and {}, need one of them", ints, strings);
  return labels;
}

Result<> write_labels(Call& call, int i, const Labels& labels, const std::vector<int64_t>& classes) {
  if (!call.wants(i)) return {};
  const auto count = static_cast<int64_t>(classes.size());
  ASSIGN_OR_RETURN(Tensor * y, call.output(i, labels.text() ? DType::String : DType::I64, {count}));
  for (size_t k = 0; k < classes.size(); ++k) {
    const auto at = static_cast<size_t>(classes[k]);
    if (labels.text())
      y->mutable_data<std::string>()[k] = at < labels.strings.size() ? labels.strings[at] : std::string();
    else
      y->mutable_data<int64_t>()[k] = at < labels.ints.size() ? labels.ints[at] : classes[k];
  }
  return {};
}

void Rows::read(int64_t r, double* to) const {
  to_doubles(tensor->dtype(), element_at(tensor->dtype(), tensor->raw(), r * features), to, features);
}

Result<Rows> rows_of(const Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  if (!is_float(x->dtype()) && !is_integer(x->dtype()))
    return call.unsupported("element type; got {}", to_string(x->dtype()));
  if (x->rank() == 1) return Rows{x, 1, x->dim(0)};
  if (x->rank() != 2) return call.invalid("rank of the input; got {}, need [N, F]", to_string(x->dims()));
  return Rows{x, x->dim(0), x->dim(1)};
}

}  // namespace hearth::operators::ml
