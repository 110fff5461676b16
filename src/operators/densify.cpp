#include "operators/densify.h"

#include "operators/element_storage.h"

namespace hearth::operators {

namespace {

// Indices are places in the flat tensor, or one coordinate a dimension.
Result<int64_t> place_of(const graph::SparseTensor& sparse, const Tensor& full, int64_t i, bool flat) {
  const auto* indices = sparse.indices.data<int64_t>();
  const int rank = sparse.dims.rank();
  int64_t place = flat ? indices[i] : 0;
  for (int axis = 0; !flat && axis < rank; ++axis) {
    const int64_t at = indices[i * rank + axis], size = sparse.dims[static_cast<size_t>(axis)];
    if (at < 0 || at >= size)
      return fail(ErrorKind::Invalid, "[sparse tensor] index; got {}, need 0 to {}", at, size - 1);
    place = place * size + at;
  }
  if (place < 0 || place >= full.size())
    return fail(ErrorKind::Invalid, "[sparse tensor] index; got {}, need 0 to {}", place, full.size() - 1);
  return place;
}

}  // namespace

Result<Tensor> densify(const graph::SparseTensor& sparse, TensorMemory& memory) {
  const int64_t count = sparse.values.size();
  const bool flat = sparse.indices.rank() == 1;
  const int64_t needed = flat ? count : count * sparse.dims.rank();
  if (sparse.indices.dtype() != DType::I64 || sparse.indices.size() != needed)
    return fail(ErrorKind::Invalid, "[sparse tensor] indices; got {} of {}, need {} of i64 for {} values",
                sparse.indices.size(), to_string(sparse.indices.dtype()), needed, count);
  ASSIGN_OR_RETURN(Tensor full, Tensor::allocate(sparse.values.dtype(), sparse.dims, memory));
  fill(full);
  for (int64_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(const int64_t place, place_of(sparse, full, i, flat));
    with_storage(full.dtype(), [&]<class T>() { full.mutable_data<T>()[place] = sparse.values.data<T>()[i]; });
  }
  return full;
}

}  // namespace hearth::operators
