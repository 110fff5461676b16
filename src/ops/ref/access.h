// Element access for the reference kernels: any float type as double, rows by their stride. Slow and plain on purpose.
#pragma once

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <vector>

#include "ops/op.h"
#include "tensor/float16.h"
#include "tensor/quant_blocks.h"

namespace hearth::ops::ref {

inline bool present(const HearthTensor& t) {
  return t.data != nullptr;
}

// Elements of everything below the first dimension.
inline int64_t row_size(const HearthTensor& t) {
  int64_t n = 1;
  for (int i = 1; i < t.rank; ++i) n *= t.dims[i];
  return n;
}

// The address of row i of a float tensor of rank >= 1 (of element i when the rank is 1).
inline char* row(const HearthTensor& t, int64_t i) {
  return static_cast<char*>(t.data) + i * t.strides[0] * info(dtype_of(t)).block_bytes;
}

// The address of the element of a float tensor at `index`, of the first one where index has fewer numbers than dims.
inline char* address(const HearthTensor& t, std::initializer_list<int64_t> index) {
  int64_t at = 0;
  const int64_t* stride = t.strides;
  for (const int64_t i : index) at += i * *stride++;
  return static_cast<char*>(t.data) + at * info(dtype_of(t)).block_bytes;
}

inline double load(DType type, const char* row, int64_t j) {
  if (type == DType::F32) {
    float v;
    std::memcpy(&v, row + j * 4, 4);
    return v;
  }
  uint16_t h;
  std::memcpy(&h, row + j * 2, 2);
  return type == DType::F16 ? f16_to_f32(h) : bf16_to_f32(h);
}

inline void store(DType type, char* row, int64_t j, double value) {
  const float f = static_cast<float>(value);
  if (type == DType::F32) {
    std::memcpy(row + j * 4, &f, 4);
    return;
  }
  const uint16_t h = type == DType::F16 ? f32_to_f16(f) : f32_to_bf16(f);
  std::memcpy(row + j * 2, &h, 2);
}

inline double at(const HearthTensor& t, int64_t i, int64_t j) {
  return load(dtype_of(t), row(t, i), j);
}
inline void put(const HearthTensor& t, int64_t i, int64_t j, double value) {
  store(dtype_of(t), row(t, i), j, value);
}
inline double at(const HearthTensor& t, int64_t i) {
  return load(dtype_of(t), row(t, i), 0);
}
inline void put(const HearthTensor& t, int64_t i, double value) {
  store(dtype_of(t), row(t, i), 0, value);
}
// A factor of a product as kFactorTypes has it: rounded to 16 bits, or not.
inline double factor(double value, int32_t factors) {
  return factors == 0 ? value : double{bf16_to_f32(f32_to_bf16(static_cast<float>(value)))};
}
inline int32_t int_at(const HearthTensor& t, int64_t i) {
  return data_of<int32_t>(t)[i * t.strides[0]];
}

// Row i of a Plain weight of any kWeight type, as floats.
inline void weight_row(const HearthTensor& w, int64_t i, std::vector<float>& out) {
  out.resize(static_cast<size_t>(w.dims[1]));
  const DTypeInfo& type = info(dtype_of(w));
  dequantise_row(dtype_of(w), static_cast<char*>(w.data) + i * w.strides[0] / type.block_elements * type.block_bytes,
                 out.data(), w.dims[1]);
}

inline std::vector<double> row_values(const HearthTensor& x, int64_t i) {
  std::vector<double> values(static_cast<size_t>(x.dims[1]));
  for (int64_t j = 0; j < x.dims[1]; ++j) values[static_cast<size_t>(j)] = at(x, i, j);
  return values;
}

inline double row_peak(const HearthTensor& x, int64_t i) {
  double peak = -std::numeric_limits<double>::infinity();
  for (int64_t j = 0; j < x.dims[1]; ++j) peak = std::max(peak, at(x, i, j));
  return peak;
}

// y[i, j] = value(i, j)
template <class Value>
int each_element(const HearthOpCall& call, Value value) {
  const HearthTensor& y = call.outputs[0];
  for (int64_t i = 0; i < y.dims[0]; ++i)
    for (int64_t j = 0; j < y.dims[1]; ++j) put(y, i, j, value(i, j));
  return HEARTH_OK;
}

// y[i, j] = activation(x[i, j]) * x[i, n + j]
template <class Activation>
int gated(const HearthOpCall& call, Activation activation) {
  const HearthTensor &x = call.inputs[0], &y = call.outputs[0];
  return each_element(call, [&](int64_t i, int64_t j) { return activation(at(x, i, j)) * at(x, i, y.dims[1] + j); });
}

// The attributes of a call, or their defaults.
template <class Attributes>
const Attributes& attributes(const HearthOpCall& call) {
  static constexpr Attributes kDefault{};
  return call.attributes != nullptr ? *static_cast<const Attributes*>(call.attributes) : kDefault;
}

}  // namespace hearth::ops::ref
