#include <algorithm>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/element_storage.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

Result<> run_reverse_sequence(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  ASSIGN_OR_RETURN(const auto lengths, int_list(call, 1));
  const int64_t batch_axis = call.node().int_or("batch_axis", 1), time_axis = call.node().int_or("time_axis", 0);
  if (input->rank() < 2)
    return call.invalid("input; got shape {}, need at least 2 dimensions", to_string(input->dims()));
  if (batch_axis + time_axis != 1 || batch_axis * time_axis != 0)
    return call.invalid("batch_axis and time_axis; got {} and {}, need 0 and 1 or 1 and 0", batch_axis, time_axis);
  const int64_t batch = input->dim(static_cast<int>(batch_axis)), time = input->dim(static_cast<int>(time_axis));
  if (static_cast<int64_t>(lengths.size()) != batch)
    return call.invalid("sequence_lens; got {}, need {}, one a sequence", lengths.size(), batch);
  for (const int64_t length : lengths)
    if (length < 0 || length > time) return call.invalid("sequence length; got {}, need 0 to {}", length, time);
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, input->dtype(), input->dims()));
  if (output->size() == 0) return {};
  const Strides strides = dense_strides(input->dims());
  const int64_t by_batch = strides[static_cast<size_t>(batch_axis)], by_time = strides[static_cast<size_t>(time_axis)];
  const int64_t run = strides[1];
  with_storage(input->dtype(), [&]<class T>() {
    const T* from = input->data<T>();
    T* to = output->mutable_data<T>();
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t t = 0; t < time; ++t) {
        const int64_t length = lengths[static_cast<size_t>(b)], source = t < length ? length - 1 - t : t;
        std::copy_n(from + b * by_batch + source * by_time, run, to + b * by_batch + t * by_time);
      }
  });
  return {};
}

}  // namespace hearth::operators
