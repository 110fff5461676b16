// A tensor that grows by one position an iteration: the scan outputs of Loop and Scan.
#pragma once

#include "graph/type.h"
#include "operators/kernel.h"

namespace hearth::operators {

// A loop may go on for as long as its model likes: what it stacks may not.
inline constexpr int64_t kMaxStackedBytes = int64_t{16} << 30;

class StackedTensor {
 public:
  // `most`: no more tensors than this will come; -1 when nobody knows. `certain`: exactly as many, unless the run ends.
  // The call's memory is used.
  StackedTensor(Call& call, int64_t most, bool certain) : call_(&call), most_(most), certain_(certain) {}

  // Appends a copy. Invalid when the value is no tensor or differs from the first in type or sizes.
  Result<> add(const Value& value);
  // Appends zeros of the first one's sizes until there are `count`; at least one tensor was added.
  Result<> pad_to(int64_t count);
  int64_t count() const { return count_; }

  // All of them along a new axis (of the result; may be negative), the last one first when `reversed`. `element` is the
  // declared type of one: it tells the sizes when none came (0 for those that it does not tell). Empty afterwards.
  Result<Tensor> finish(int64_t axis, bool reversed, const graph::Type& element);

 private:
  Result<> make_room(int64_t count);

  Call* call_;
  int64_t most_;
  bool certain_;
  int64_t count_ = 0, room_ = 0;
  Dims dims_;     // of one
  Tensor stack_;  // [room, dims…]
};

// The tensor at `position` of an axis, without the axis.
Result<Tensor> take_position(Call& call, const Tensor& tensor, int axis, int64_t position);

// Type and sizes that a graph's output declares; sizes that it does not are 0.
struct DeclaredTensor {
  DType dtype;
  Dims dims;
};
Result<DeclaredTensor> declared_tensor(const Call& call, const graph::Type& type);

}  // namespace hearth::operators
