// C++ face of HearthTensor: builders and shape questions. Header only, no ownership.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>

#include "tensor/dtype.h"
#include "tensor/view.h"

namespace hearth {

using TensorView = HearthTensor;

// How a weight's bytes are arranged. Plain is row-major as the model file has it; the others are what a device's
// `pack` made of a matrix, and only the kernels of that device read them.
enum class Layout : int32_t {
  Plain = 0,
  CpuPanel8 = 1,   // 8-row panels (portable and AVX2 kernels); see ops/cpu/pack.h
  CpuPanel32 = 2,  // 32-row panels (AVX-512 kernels); see ops/cpu/pack.h
};

inline TensorView view(const void* data, DType dtype, std::span<const int64_t> dims) {
  TensorView t{};
  t.data = const_cast<void*>(data);
  t.dtype = static_cast<int32_t>(dtype);
  t.rank = static_cast<int32_t>(dims.size());
  int64_t stride = 1;
  for (int i = t.rank - 1; i >= 0; --i) {
    t.dims[i] = dims[static_cast<size_t>(i)];
    t.strides[i] = stride;
    stride *= t.dims[i];
  }
  return t;
}
inline TensorView view(const void* data, DType dtype, std::initializer_list<int64_t> dims) {
  return view(data, dtype, std::span(dims.begin(), dims.size()));
}

inline DType dtype_of(const TensorView& t) {
  return static_cast<DType>(t.dtype);
}
inline Layout layout_of(const TensorView& t) {
  return static_cast<Layout>(t.layout);
}
inline int64_t element_count(const TensorView& t) {
  int64_t n = 1;
  for (int i = 0; i < t.rank; ++i) n *= t.dims[i];
  return n;
}
inline bool is_contiguous(const TensorView& t) {
  int64_t stride = 1;
  for (int i = t.rank - 1; i >= 0; --i) {
    if (t.dims[i] != 1 && t.strides[i] != stride) return false;
    stride *= t.dims[i];
  }
  return true;
}
template <class T>
T* data_of(const TensorView& t) {
  return static_cast<T*>(t.data);
}

}  // namespace hearth
