#include "operators/control/condition.h"
#include "operators/control/control_kernels.h"

namespace hearth::operators {

Result<bool> read_condition(const Call& call, const Value& value) {
  const Tensor* tensor = value.tensor();
  if (tensor == nullptr || tensor->dtype() != DType::Bool || tensor->size() != 1)
    return call.invalid(
        "condition; got {}, need one boolean",
        tensor != nullptr ? fmt::format("{}{}", to_string(tensor->dtype()), to_string(tensor->dims())) : "no tensor");
  return *tensor->data<bool>();
}

Result<> run_if(Call& call) {
  TRY(call.tensor(0));
  ASSIGN_OR_RETURN(const bool condition, read_condition(call, call.value(0)));
  const std::string_view branch = condition ? "then_branch" : "else_branch";
  ASSIGN_OR_RETURN(auto outputs, call.run_graph(branch, {}));
  if (static_cast<int>(outputs.size()) < call.output_count())
    return call.invalid("{}; got {} outputs, need {}", branch, outputs.size(), call.output_count());
  for (int i = 0; i < call.output_count(); ++i)
    if (call.wants(i)) call.set_output(i, std::move(outputs[static_cast<size_t>(i)]));
  return {};
}

}  // namespace hearth::operators
