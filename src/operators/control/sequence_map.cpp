#include "operators/control/control_kernels.h"
#include "operators/control/sequence_input.h"
#include "operators/control/stacked_tensor.h"

namespace hearth::operators {

Result<> run_sequence_map(Call& call) {
  const graph::Graph* body = call.node().graph("body");
  if (body == nullptr) return call.invalid("attribute body is absent; it is required");
  ASSIGN_OR_RETURN(const Sequence* first, sequence_input(call, 0));
  const size_t count = first->items.size();
  for (int i = 1; i < call.input_count(); ++i) {
    if (!call.has(i)) return call.invalid("input {} is absent; it is required", i);
    const Sequence* sequence = call.value(i).sequence();
    if (sequence != nullptr && sequence->items.size() != count)
      return call.invalid("lengths of the sequences; got {} and {}, need one", count, sequence->items.size());
  }
  if (static_cast<size_t>(call.output_count()) > body->outputs.size())
    return call.invalid("outputs; got {}, need at most {}, as the body has", call.output_count(), body->outputs.size());
  std::vector<Sequence> made(body->outputs.size());
  for (size_t at = 0; at < count; ++at) {
    TRY(call.check_cancelled());
    std::vector<Value> inputs;
    for (int i = 0; i < call.input_count(); ++i) {
      const Sequence* sequence = call.value(i).sequence();
      inputs.push_back(sequence != nullptr ? sequence->items[at] : call.value(i));
    }
    ASSIGN_OR_RETURN(auto outputs, call.run_graph("body", std::move(inputs)));
    if (outputs.size() != made.size())
      return call.invalid("body; got {} outputs, need {}", outputs.size(), made.size());
    for (size_t k = 0; k < made.size(); ++k) {
      const Tensor* tensor = outputs[k].tensor();
      if (tensor == nullptr) return call.invalid("output of the body; got no tensor, need one");
      if (at == 0) made[k].dtype = tensor->dtype();
      if (tensor->dtype() != made[k].dtype)
        return call.invalid("output of the body; got {} after {}, need one type", to_string(tensor->dtype()),
                            to_string(made[k].dtype));
      made[k].items.push_back(std::move(outputs[k]));
    }
  }
  for (size_t k = 0; k < made.size(); ++k) {
    if (!call.wants(static_cast<int>(k))) continue;
    if (count == 0) {
      ASSIGN_OR_RETURN(const DeclaredTensor declared, declared_tensor(call, body->value(body->outputs[k]).type));
      made[k].dtype = declared.dtype;
    }
    call.set_output(static_cast<int>(k), Value(std::make_shared<const Sequence>(std::move(made[k]))));
  }
  return {};
}

}  // namespace hearth::operators
