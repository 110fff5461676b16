// Plain loops in double that say what the matrix kernels have to give.
#pragma once

#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "test_call.h"

namespace hearth::operators {

inline int64_t product(const Dims& dims) {
  return *count_elements(dims);
}

// Whole numbers in [-spread, spread] divided by `unit`: exact in every element type when both are small.
template <class T>
Tensor random_tensor(const Dims& dims, uint32_t seed, int spread = 4, double unit = 1) {
  std::mt19937 engine(seed);
  std::vector<double> values(static_cast<size_t>(product(dims)));
  for (double& value : values)
    value = static_cast<double>(static_cast<int>(engine() % static_cast<uint32_t>(2 * spread + 1)) - spread) / unit;
  if constexpr (std::is_unsigned_v<T>)
    for (double& value : values) value = std::abs(value);
  return tensor_of<T>(dims, values);
}

// Calls visit(position) for every position of `dims`, the last index fastest.
inline void for_each_position(const Dims& dims, const std::function<void(const std::vector<int64_t>&)>& visit) {
  std::vector<int64_t> position(dims.size(), 0);
  for (int64_t i = 0; i < product(dims); ++i) {
    int64_t rest = i;
    for (size_t axis = dims.size(); axis-- > 0; rest /= dims[axis]) position[axis] = rest % dims[axis];
    visit(position);
  }
}

struct ConvAttributes {
  std::vector<int64_t> strides, dilations, pads;  // pads: begins, then ends
  int64_t group = 1;
};

// A convolution over any number of axes. `x_dims` is [N, C, …], `w_dims` [M, C/group, …].
inline std::vector<double> reference_conv(const std::vector<double>& x, const Dims& x_dims,
                                          const std::vector<double>& w, const Dims& w_dims, const ConvAttributes& a,
                                          Dims& y_dims) {
  const size_t axes = x_dims.size() - 2;
  y_dims = Dims{x_dims[0], w_dims[0]};
  Dims kernel;
  for (size_t i = 0; i < axes; ++i) {
    const int64_t extent = (w_dims[i + 2] - 1) * a.dilations[i] + 1;
    y_dims.push_back((x_dims[i + 2] + a.pads[i] + a.pads[axes + i] - extent) / a.strides[i] + 1);
    kernel.push_back(w_dims[i + 2]);
  }
  const int64_t taps = product(kernel), outputs = w_dims[0] / a.group, inputs = w_dims[1];
  std::vector<double> y;
  for_each_position(y_dims, [&](const std::vector<int64_t>& at) {
    double sum = 0;
    for (int64_t c = 0; c < inputs; ++c) {
      int64_t tap = 0;
      for_each_position(kernel, [&](const std::vector<int64_t>& k) {
        int64_t element = at[0] * x_dims[1] + at[1] / outputs * inputs + c;
        bool inside = true;
        for (size_t i = 0; i < axes; ++i) {
          const int64_t place = at[i + 2] * a.strides[i] + k[i] * a.dilations[i] - a.pads[i];
          inside = inside && place >= 0 && place < x_dims[i + 2];
          element = element * x_dims[i + 2] + place;
        }
        if (inside) sum += x[static_cast<size_t>(element)] * w[static_cast<size_t>((at[1] * inputs + c) * taps + tap)];
        ++tap;
      });
    }
    y.push_back(sum);
  });
  return y;
}

inline void expect_near(const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(want[i])) {
      EXPECT_TRUE(std::isnan(got[i])) << "element " << i;
      continue;
    }
    ASSERT_NEAR(got[i], want[i], tolerance * (1 + std::abs(want[i]))) << "element " << i;
  }
}

}  // namespace hearth::operators
