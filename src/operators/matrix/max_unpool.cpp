// MaxUnpool: elements go to where a MaxPool took them from, zeros elsewhere. The indices number the elements of the
// tensor that the attributes imply; an explicit output_shape only adds zeros at the upper ends, as the suite has it.
#include <algorithm>

#include "operators/matrix/kernels.h"
#include "operators/matrix/window.h"
#include "tensor/element.h"

namespace hearth::operators {

namespace {

// Sizes of the tensor that was pooled, if the window met all of it.
Result<Dims> implied_dims(const Call& call, const Dims& x) {
  Window window;
  window.axes = x.rank() - 2;
  ASSIGN_OR_RETURN(const Dims kernel, read_kernel(call, window.axes, Dims()));
  ASSIGN_OR_RETURN(const Dims strides, read_axes_attribute(call, "strides", window.axes, 1, 1, kMaxWindowStep));
  TRY(read_pads(call, window));
  Dims dims{x[0], x[1]};
  for (size_t i = 0; i < kernel.size(); ++i) {
    int64_t size = 0;
    if (__builtin_mul_overflow(x[i + 2] - 1, strides[i], &size) || size > kMaxTensorElements)
      return call.invalid("output; stride {} over {} inputs is more than any tensor holds", strides[i], x[i + 2]);
    size += kernel[i] - window.axis[i].pad_begin - window.axis[i].pad_end;
    if (size < 0) return call.invalid("output; pads leave {} on spatial axis {}, need at least 0", size, i);
    dims.push_back(size);
  }
  TRY(count_elements(dims));
  return dims;
}

Result<Dims> asked_dims(const Call& call, const Dims& implied) {
  ASSIGN_OR_RETURN(const Tensor* asked, call.tensor(2));
  if (asked->dtype() != DType::I64 || asked->rank() != 1 || asked->size() != implied.rank())
    return call.invalid("output_shape; got {}{}, need i64[{}]", to_string(asked->dtype()), to_string(asked->dims()),
                        implied.rank());
  const Dims dims(std::span(asked->data<int64_t>(), implied.size()));
  for (size_t i = 0; i < dims.size(); ++i)
    if (i < 2 ? dims[i] != implied[i] : dims[i] < implied[i])
      return call.invalid("output_shape; got {}, need N and C of the input and at least {}", to_string(dims),
                          to_string(implied));
  return dims;
}

// Where element `index` of a tensor of sizes `from` lies in one of sizes `to`, none of which is smaller.
int64_t relocate(int64_t index, const Dims& from, const Dims& to) {
  int64_t at = 0, step = 1;
  for (size_t i = from.size(); i-- > 0;) {
    at += index % from[i] * step;
    index /= from[i];
    step *= to[i];
  }
  return at;
}

}  // namespace

Result<> run_max_unpool(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* indices, call.tensor(1));
  if (x->rank() < 3 || indices->dims() != x->dims() || indices->dtype() != DType::I64)
    return call.invalid("input and indices; got {} and {}{}, need [N, C, …] and i64 of the same sizes",
                        to_string(x->dims()), to_string(indices->dtype()), to_string(indices->dims()));
  ASSIGN_OR_RETURN(const Dims implied, implied_dims(call, x->dims()));
  Dims dims = implied;
  if (call.has(2)) {
    ASSIGN_OR_RETURN(dims, asked_dims(call, implied));
  }
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, x->dtype(), dims));
  std::fill_n(static_cast<std::byte*>(y->mutable_raw()), y->bytes(), std::byte{0});
  ASSIGN_OR_RETURN(const int64_t places, count_elements(implied));
  const int64_t* at = indices->data<int64_t>();
  for (int64_t i = 0; i < x->size(); ++i)
    if (at[i] < 0 || at[i] >= places) return call.invalid("index {}; got {}, need one in [0, {})", i, at[i], places);
  const bool same = dims == implied;
  if (x->dtype() == DType::String || !with_width(info(x->dtype()).block_bytes, [&]<class T>() {
        const T* from = x->data<T>();
        T* to = y->mutable_data<T>();
        for (int64_t i = 0; i < x->size(); ++i) to[same ? at[i] : relocate(at[i], implied, dims)] = from[i];
      }))
    return call.unsupported("element type; got {}, need numbers", to_string(x->dtype()));
  return {};
}

}  // namespace hearth::operators
