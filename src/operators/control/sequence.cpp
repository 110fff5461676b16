#include <algorithm>

#include "operators/arguments.h"
#include "operators/array/concat.h"
#include "operators/array/split.h"
#include "operators/control/control_kernels.h"
#include "operators/control/sequence_input.h"

namespace hearth::operators {

Result<const Sequence*> sequence_input(const Call& call, int i) {
  if (!call.has(i)) return call.invalid("input {} is absent; it is required", i);
  const Sequence* sequence = call.value(i).sequence();
  if (sequence == nullptr) return call.invalid("input {}; got no sequence, need one", i);
  return sequence;
}

namespace {

// shared_ptr: as values hold sequences.
void set_sequence(Call& call, Sequence sequence) {
  call.set_output(0, Value(std::make_shared<const Sequence>(std::move(sequence))));
}

Result<> check_length(const Call& call, size_t items) {
  if (items > kMaxSequenceItems)
    return call.invalid("length of the sequence; got {}, need at most {}", items, kMaxSequenceItems);
  return {};
}

// Input i as a position among `count`; the last one when it is absent.
Result<size_t> read_position(const Call& call, int i, size_t count) {
  const auto size = static_cast<int64_t>(count);
  int64_t position = size - 1;
  if (call.has(i)) {
    ASSIGN_OR_RETURN(position, one_int(call, i));
  }
  ASSIGN_OR_RETURN(const int64_t index, resolve_index(call, position, size));
  return static_cast<size_t>(index);
}

}  // namespace

Result<> run_sequence_at(Call& call) {
  ASSIGN_OR_RETURN(const Sequence* sequence, sequence_input(call, 0));
  ASSIGN_OR_RETURN(const size_t position, read_position(call, 1, sequence->items.size()));
  call.set_output(0, sequence->items[position]);
  return {};
}

Result<> run_sequence_construct(Call& call) {
  Sequence made;
  for (int i = 0; i < call.input_count(); ++i) {
    ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(i));
    if (i == 0) made.dtype = tensor->dtype();
    if (tensor->dtype() != made.dtype)
      return call.invalid("element types; got {} and {}, need one", to_string(made.dtype), to_string(tensor->dtype()));
    made.items.emplace_back(*tensor);
  }
  if (made.items.empty()) return call.invalid("inputs; got none, need at least one");
  set_sequence(call, std::move(made));
  return {};
}

Result<> run_sequence_empty(Call& call) {
  Sequence made;
  ASSIGN_OR_RETURN(made.dtype, read_dtype(call, "dtype", DType::F32));
  set_sequence(call, std::move(made));
  return {};
}

Result<> run_sequence_erase(Call& call) {
  ASSIGN_OR_RETURN(const Sequence* sequence, sequence_input(call, 0));
  ASSIGN_OR_RETURN(const size_t position, read_position(call, 1, sequence->items.size()));
  Sequence made = *sequence;
  made.items.erase(made.items.begin() + static_cast<int64_t>(position));
  set_sequence(call, std::move(made));
  return {};
}

Result<> run_sequence_insert(Call& call) {
  ASSIGN_OR_RETURN(const Sequence* sequence, sequence_input(call, 0));
  ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(1));
  // A file does not tell the type of an empty sequence: it takes that of its first tensor.
  if (!sequence->items.empty() && sequence->dtype != tensor->dtype())
    return call.invalid("tensor; got {}, need {}, as the sequence has", to_string(tensor->dtype()),
                        to_string(sequence->dtype));
  TRY(check_length(call, sequence->items.size() + 1));
  int64_t position = static_cast<int64_t>(sequence->items.size());
  if (call.has(2)) {
    const int64_t count = position;
    ASSIGN_OR_RETURN(position, one_int(call, 2));
    if (position < -count || position > count)
      return call.invalid("position; got {}, need {} to {}", position, -count, count);
    if (position < 0) position += count;
  }
  Sequence made{tensor->dtype(), {}};
  made.items.reserve(sequence->items.size() + 1);
  made.items = sequence->items;
  made.items.insert(made.items.begin() + position, Value(*tensor));
  set_sequence(call, std::move(made));
  return {};
}

Result<> run_sequence_length(Call& call) {
  ASSIGN_OR_RETURN(const Sequence* sequence, sequence_input(call, 0));
  ASSIGN_OR_RETURN(Tensor * length, call.output(0, DType::I64, {}));
  *length->mutable_data<int64_t>() = static_cast<int64_t>(sequence->items.size());
  return {};
}

namespace {

// Sizes of the parts: input 1 is one size for all (the last part may be smaller), or the size of each; absent, it is 1.
Result<std::vector<int64_t>> read_parts(const Call& call, int64_t size) {
  int64_t each = 1;
  if (call.has(1)) {
    ASSIGN_OR_RETURN(const Tensor* split, call.tensor(1));
    if (split->rank() == 1) {
      ASSIGN_OR_RETURN(const auto sizes, int_list(call, 1));
      int64_t total = 0;
      for (const int64_t part : sizes) {
        if (part < 0) return call.invalid("size of a part; got {}, need at least 0", part);
        ASSIGN_OR_RETURN(total, add_sizes(call, total, part));
      }
      if (total != size) return call.invalid("sizes of parts; got a sum of {}, need {}", total, size);
      return sizes;
    }
    ASSIGN_OR_RETURN(each, one_int(call, 1));
  }
  if (each < 1) return call.invalid("size of a part; got {}, need at least 1", each);
  TRY(check_length(call, static_cast<size_t>(size / each)));
  std::vector<int64_t> sizes(static_cast<size_t>(size / each), each);
  if (size % each != 0) sizes.push_back(size % each);
  return sizes;
}

}  // namespace

Result<> run_split_to_sequence(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, call.node().int_or("axis", 0), input->rank()));
  ASSIGN_OR_RETURN(const auto sizes, read_parts(call, input->dim(axis)));
  const bool keeps_axis = call.has(1) || call.node().int_or("keepdims", 1) != 0;
  Sequence made{input->dtype(), {}};
  int64_t begin = 0;
  for (const int64_t size : sizes) {
    Dims dims = input->dims();
    dims[static_cast<size_t>(axis)] = size;
    ASSIGN_OR_RETURN(Tensor part, Tensor::allocate(input->dtype(), dims, call.memory()));
    copy_part(call, *input, axis, begin, part);
    begin += size;
    if (!keeps_axis) {
      dims.erase(axis);
      part = part.reshaped(dims);
    }
    made.items.emplace_back(std::move(part));
  }
  set_sequence(call, std::move(made));
  return {};
}

Result<> run_concat_from_sequence(Call& call) {
  ASSIGN_OR_RETURN(const Sequence* sequence, sequence_input(call, 0));
  const bool new_axis = call.node().int_or("new_axis", 0) != 0;
  int64_t axis = call.node().int_or("axis", 0);
  if (sequence->items.empty()) return call.invalid("sequence; got no tensors, need at least one");
  std::vector<Tensor> held;
  for (const Value& item : sequence->items) {
    const Tensor* tensor = item.tensor();
    if (tensor == nullptr) return call.invalid("item of the sequence; got no tensor, need tensors");
    held.push_back(*tensor);
  }
  if (new_axis) {
    const int rank = held.front().rank() + 1;
    ASSIGN_OR_RETURN(const int at, normalise_axis(call, axis, rank));
    axis = at;
    for (Tensor& tensor : held) {
      if (!Dims::fits(tensor.dims().size() + 1) || tensor.rank() < at)
        return call.invalid("tensor; got shape {}, need {} to {} dimensions", to_string(tensor.dims()), at,
                            HEARTH_MAX_RANK - 1);
      Dims dims = tensor.dims();
      dims.insert(at, 1);
      tensor = tensor.reshaped(dims);
    }
  }
  std::vector<const Tensor*> tensors;
  for (const Tensor& tensor : held) tensors.push_back(&tensor);
  return concatenate(call, 0, tensors, axis);
}

}  // namespace hearth::operators
