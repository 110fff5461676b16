// Operators about the diagonals of matrices: EyeLike, Trilu.
#include <algorithm>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/element_storage.h"

namespace hearth::operators {

namespace {

using EyeTypes = TypeList<float, double, Half, BFloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t,
                          uint64_t, bool>;

}  // namespace

Result<> run_eye_like(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  if (input->rank() != 2) return call.invalid("input; got shape {}, need 2 dimensions", to_string(input->dims()));
  ASSIGN_OR_RETURN(const DType dtype, read_dtype(call, "dtype", input->dtype()));
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, dtype, input->dims()));
  const int64_t rows = input->dim(0), columns = input->dim(1), k = call.node().int_or("k", 0);
  fill(*output);
  const bool known = with_type(EyeTypes{}, dtype, [&]<class T>() {
    T* to = output->mutable_data<T>();
    if (k <= -rows || k >= columns) return;
    for (int64_t row = std::max<int64_t>(0, -k); row < rows && row + k < columns; ++row)
      to[row * columns + row + k] = T(1);
  });
  if (!known) return call.invalid("element type; got {}, need a number or a boolean", to_string(dtype));
  return {};
}

Result<> run_trilu(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  if (input->rank() < 2)
    return call.invalid("input; got shape {}, need at least 2 dimensions", to_string(input->dims()));
  int64_t k = 0;
  if (call.has(1)) {
    ASSIGN_OR_RETURN(k, one_int(call, 1));
  }
  const bool upper = call.node().int_or("upper", 1) != 0;
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, input->dtype(), input->dims()));
  if (output->size() == 0) return {};
  const int64_t rows = input->dim(input->rank() - 2), columns = input->dims().back();
  k = std::clamp(k, -rows - 1, columns + 1);  // beyond, nothing changes any more
  with_storage(input->dtype(), [&]<class T>() {
    const T* from = input->data<T>();
    T* to = output->mutable_data<T>();
    for (int64_t line = 0; line < input->size() / columns; ++line, from += columns, to += columns) {
      // Where the diagonal meets this row. It belongs to both parts.
      const int64_t diagonal = line % rows + k;
      const int64_t kept_from = upper ? std::clamp<int64_t>(diagonal, 0, columns) : 0;
      const int64_t kept_to = upper ? columns : std::clamp<int64_t>(diagonal + 1, 0, columns);
      std::fill_n(to, kept_from, T{});
      std::copy(from + kept_from, from + kept_to, to + kept_from);
      std::fill(to + kept_to, to + columns, T{});
    }
  });
  return {};
}

}  // namespace hearth::operators
