#include "operators/array/gather.h"

#include <algorithm>
#include <cstring>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/element_storage.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

namespace {

constexpr int64_t kGrainElements = 1 << 15;

// output[i · run + …] = data[places[i] + …]
void gather_runs(Call& call, const Tensor& data, const Tensor& places, int64_t run, Tensor& output) {
  if (output.size() == 0) return;
  with_storage(data.dtype(), [&]<class T>() {
    const T* from = data.data<T>();
    const auto* place = places.data<int64_t>();
    T* to = output.mutable_data<T>();
    call.parallel(places.size(), std::max<int64_t>(1, kGrainElements / run), [&](int64_t begin, int64_t end) {
      if (run == 1) {
        for (int64_t i = begin; i < end; ++i) to[i] = from[place[i]];
      } else {
        for (int64_t i = begin; i < end; ++i) std::copy_n(from + place[i], run, to + i * run);
      }
    });
  });
}

template <class Index>
Result<> resolve(Call& call, const Index* indices, int64_t count, int64_t size, int64_t* resolved) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t index = indices[i];
    if (index < -size || index >= size)
      return call.invalid("index {} of the indices; got {}, need {} to {}", i, index, -size, size - 1);
    resolved[i] = index < 0 ? index + size : index;
  }
  return {};
}

}  // namespace

Result<Tensor> resolve_indices(Call& call, const Tensor& indices, int64_t size) {
  ASSIGN_OR_RETURN(Tensor resolved, Tensor::allocate(DType::I64, indices.dims(), call.memory()));
  auto* to = resolved.mutable_data<int64_t>();
  if (indices.dtype() == DType::I64) {
    TRY(resolve(call, indices.data<int64_t>(), indices.size(), size, to));
  } else if (indices.dtype() == DType::I32) {
    TRY(resolve(call, indices.data<int32_t>(), indices.size(), size, to));
  } else {
    return call.invalid("indices; got {}, need int32 or int64", to_string(indices.dtype()));
  }
  return resolved;
}

Result<Tensor> places_of_elements(Call& call, const Tensor& indices, const Dims& dims, int axis) {
  if (indices.rank() != dims.rank())
    return call.invalid("indices; got shape {}, need {} dimensions, as the data has", to_string(indices.dims()),
                        dims.rank());
  for (int i = 0; i < dims.rank(); ++i)
    if (i != axis && indices.dim(i) > dims[static_cast<size_t>(i)])
      return call.invalid("indices; got shape {}, need no more than the data's {} but along axis {}",
                          to_string(indices.dims()), to_string(dims), axis);
  ASSIGN_OR_RETURN(Tensor places, resolve_indices(call, indices, dims[static_cast<size_t>(axis)]));
  if (places.size() == 0) return places;
  const Strides strides = dense_strides(dims);
  const int last = dims.rank() - 1;
  const int64_t columns = indices.dim(last), by_axis = strides[static_cast<size_t>(axis)];
  const int64_t by_column = axis == last ? 0 : 1;
  int64_t at[HEARTH_MAX_RANK] = {};
  auto* row = places.mutable_data<int64_t>();
  for (int64_t left = places.size(); left > 0; left -= columns, row += columns) {
    int64_t base = 0;
    for (int i = 0; i < last; ++i)
      if (i != axis) base += at[i] * strides[static_cast<size_t>(i)];
    for (int64_t c = 0; c < columns; ++c) row[c] = base + c * by_column + row[c] * by_axis;
    for (int i = last - 1; i >= 0 && ++at[i] == indices.dim(i); --i) at[i] = 0;
  }
  return places;
}

Result<Tensor> places_of_slices(Call& call, const Tensor& indices, const Dims& dims, int batch_dims, int64_t& run) {
  if (indices.dtype() != DType::I64 && indices.dtype() != DType::I32)
    return call.invalid("indices; got {}, need int64", to_string(indices.dtype()));
  if (indices.rank() < 1) return call.invalid("indices; got a scalar, need at least one dimension");
  const int64_t tuple = indices.dims().back();
  if (tuple > dims.rank() - batch_dims)
    return call.invalid("indices; got tuples of {} numbers, need at most {} for data of shape {}", tuple,
                        dims.rank() - batch_dims, to_string(dims));
  Dims outer = indices.dims();
  outer.erase(outer.rank() - 1);
  ASSIGN_OR_RETURN(const int64_t count, count_elements(outer));
  ASSIGN_OR_RETURN(Tensor places, Tensor::allocate(DType::I64, {count}, call.memory()));
  const Strides strides = dense_strides(dims);
  run = 1;
  for (size_t i = static_cast<size_t>(batch_dims + tuple); i < dims.size(); ++i) {
    ASSIGN_OR_RETURN(run, multiply_sizes(call, run, dims[i]));
  }
  if (count == 0) return places;
  int64_t per_batch = 1;
  for (int i = batch_dims; i < outer.rank(); ++i) per_batch *= outer[static_cast<size_t>(i)];
  const int64_t batch_stride = batch_dims > 0 ? strides[static_cast<size_t>(batch_dims - 1)] : 0;
  auto* place = places.mutable_data<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    place[i] = i / per_batch * batch_stride;
    for (int64_t k = 0; k < tuple; ++k) {
      const int64_t at = i * tuple + k;
      const int64_t index =
          indices.dtype() == DType::I64 ? indices.data<int64_t>()[at] : int64_t{indices.data<int32_t>()[at]};
      const auto axis = static_cast<size_t>(batch_dims + k);
      const int64_t size = dims[axis];
      if (index < -size || index >= size)
        return call.invalid("index {} of the indices; got {}, need {} to {} for axis {}", at, index, -size, size - 1,
                            axis);
      place[i] += (index < 0 ? index + size : index) * strides[axis];
    }
  }
  return places;
}

Result<> run_gather(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* indices, call.tensor(1));
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, call.node().int_or("axis", 0), data->rank()));
  std::vector<int64_t> sizes(data->dims().begin(), data->dims().begin() + axis);
  sizes.insert(sizes.end(), indices->dims().begin(), indices->dims().end());
  sizes.insert(sizes.end(), data->dims().begin() + axis + 1, data->dims().end());
  ASSIGN_OR_RETURN(const Dims dims, to_dims(call, sizes));
  ASSIGN_OR_RETURN(const Tensor places, resolve_indices(call, *indices, data->dim(axis)));
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, data->dtype(), dims));
  if (output->size() == 0) return {};
  int64_t outer = 1, run = 1;
  for (int i = 0; i < axis; ++i) outer *= data->dim(i);
  for (int i = axis + 1; i < data->rank(); ++i) run *= data->dim(i);
  const int64_t count = places.size(), stride = data->dim(axis) * run;
  // Rows of a table of embeddings come from where the model's file has them, at any address.
  const StridedFloats* put_off = data->deferred();
  const std::byte* stored = put_off != nullptr ? put_off->dense() : nullptr;
  if (stored == nullptr) stored = data->data<std::byte>();
  with_storage(data->dtype(), [&]<class T>() {
    const auto* place = places.data<int64_t>();
    T* to = output->mutable_data<T>();
    call.parallel(outer * count, std::max<int64_t>(1, kGrainElements / run), [&](int64_t begin, int64_t end) {
      int64_t row = begin / count, column = begin % count;
      for (int64_t i = begin; i < end; ++i) {
        const int64_t at = row * stride + place[column] * run;
        if constexpr (std::is_same_v<T, std::string>)
          std::copy_n(data->data<T>() + at, run, to + i * run);
        else if (run == 1)
          std::memcpy(to + i, stored + at * static_cast<int64_t>(sizeof(T)), sizeof(T));
        else
          std::memcpy(to + i * run, stored + at * static_cast<int64_t>(sizeof(T)),
                      static_cast<size_t>(run) * sizeof(T));
        if (++column == count) column = 0, ++row;
      }
    });
  });
  return {};
}

Result<> run_gather_elements(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* indices, call.tensor(1));
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, call.node().int_or("axis", 0), data->rank()));
  ASSIGN_OR_RETURN(const Tensor places, places_of_elements(call, *indices, data->dims(), axis));
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, data->dtype(), indices->dims()));
  gather_runs(call, *data, places, 1, *output);
  return {};
}

Result<> run_gather_nd(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* indices, call.tensor(1));
  const int64_t batch_dims = call.node().int_or("batch_dims", 0);
  if (batch_dims < 0 || batch_dims >= std::min(data->rank(), indices->rank()))
    return call.invalid("attribute batch_dims; got {}, need 0 to {}", batch_dims,
                        std::min(data->rank(), indices->rank()) - 1);
  for (int i = 0; i < batch_dims; ++i)
    if (data->dim(i) != indices->dim(i))
      return call.invalid("batch dimensions; got {} and {}, need the same first {}", to_string(data->dims()),
                          to_string(indices->dims()), batch_dims);
  int64_t run = 0;
  ASSIGN_OR_RETURN(const Tensor places,
                   places_of_slices(call, *indices, data->dims(), static_cast<int>(batch_dims), run));
  std::vector<int64_t> sizes(indices->dims().begin(), indices->dims().end() - 1);
  sizes.insert(sizes.end(), data->dims().begin() + batch_dims + indices->dims().back(), data->dims().end());
  ASSIGN_OR_RETURN(const Dims dims, to_dims(call, sizes));
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, data->dtype(), dims));
  gather_runs(call, *data, places, run, *output);
  return {};
}

}  // namespace hearth::operators
