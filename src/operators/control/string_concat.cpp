#include "operators/broadcast.h"
#include "operators/control/control_kernels.h"
#include "operators/control/string_input.h"

namespace hearth::operators {

Result<const Tensor*> string_input(const Call& call, int i) {
  ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(i));
  if (tensor->dtype() != DType::String)
    return call.invalid("input {}; got {}, need strings", i, to_string(tensor->dtype()));
  return tensor;
}

Result<> run_string_concat(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* left, string_input(call, 0));
  ASSIGN_OR_RETURN(const Tensor* right, string_input(call, 1));
  ASSIGN_OR_RETURN(const Dims dims, broadcast_dims(call, {&left->dims(), &right->dims()}));
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, DType::String, dims));
  const Broadcast<2> walk(dims, {&left->dims(), &right->dims()});
  auto* to = output->mutable_data<std::string>();
  const auto lefts = left->strings(), rights = right->strings();
  walk.visit(0, walk.size(), [&](int64_t at, int64_t count, const Broadcast<2>::Offsets& offsets) {
    for (int64_t i = 0; i < count; ++i)
      to[at + i] = lefts[static_cast<size_t>(offsets[0] + (walk.moves(0) ? i : 0))] +
                   rights[static_cast<size_t>(offsets[1] + (walk.moves(1) ? i : 0))];
  });
  return {};
}

}  // namespace hearth::operators
