#include <cmath>
#include <cstring>

#include "weights.h"

namespace hearth::ops::cpu {
namespace {

std::vector<float> multiply(Device& device, const std::vector<float>& x, int64_t m, const TensorView& w,
                            const float* bias = nullptr, const float* residual = nullptr) {
  const int64_t n = w.dims[0], k = w.dims[1];
  std::vector<float> y(static_cast<size_t>(m * n), std::nanf(""));
  HearthOpCall call{};
  call.inputs[0] = view(x.data(), DType::F32, {m, k});
  call.inputs[1] = w;
  if (bias != nullptr) call.inputs[2] = view(bias, DType::F32, {n});
  if (residual != nullptr) call.inputs[3] = view(residual, DType::F32, {m, n});
  call.outputs[0] = view(y.data(), DType::F32, {m, n});
  run(device, Op::Matmul, call);
  return y;
}

// Against sums in f64 over dequantised weights: 2e-2 of the row's root mean square where activations are rounded to
// eight bits, 1e-4 for float weights.
void expect_close(const std::vector<float>& got, const std::vector<float>& x, int64_t m, const PlainWeight& w,
                  const std::string& what) {
  for (int64_t i = 0; i < m; ++i) {
    std::vector<double> want(static_cast<size_t>(w.n));
    double square = 0;
    for (int64_t j = 0; j < w.n; ++j) {
      const std::vector<float> row = w.row(j);
      for (int64_t k = 0; k < w.k; ++k)
        want[static_cast<size_t>(j)] +=
            double{row[static_cast<size_t>(k)]} * double{x[static_cast<size_t>(i * w.k + k)]};
      square += want[static_cast<size_t>(j)] * want[static_cast<size_t>(j)];
    }
    const double rms = std::sqrt(square / static_cast<double>(w.n));
    for (int64_t j = 0; j < w.n; ++j) {
      const double bound = is_quantised(w.dtype) ? 3e-2 * rms : 1e-4 * (1 + std::fabs(want[static_cast<size_t>(j)]));
      ASSERT_NEAR(double{got[static_cast<size_t>(i * w.n + j)]}, want[static_cast<size_t>(j)], bound)
          << what << " row " << i << " column " << j;
    }
  }
}

TEST(CpuMatmul, EveryTypeIsRightOnEveryInstructionSetAndTheForcedOneRan) {
  for (Isa isa : sets_of_this_machine()) {
    auto device = open(isa);
    for (DType type : kWeightTypes)
      for (int64_t m : {1, 3, 8, 13}) {
        const PlainWeight plain(type, 45, 512, 7);
        const PackedWeight packed(*device, plain);
        const std::vector<float> x = random_floats(static_cast<size_t>(m * 512), 11);
        const std::vector<float> y = multiply(*device, x, m, packed.tensor);
        EXPECT_EQ(device->last_kernel(), kernel_name(isa, "matmul"));
        expect_close(y, x, m, plain, kernel_name(isa, to_string(type)));
      }
  }
}

// The rounded activations themselves carry no error when they are whole multiples of their scale: then the sum is exact
// up to f32, whatever the type.
TEST(CpuMatmul, ExactActivationsGiveExactSums) {
  for (Isa isa : sets_of_this_machine()) {
    auto device = open(isa);
    for (DType type : kWeightTypes) {
      const PlainWeight plain(type, 33, 256, 3);
      const PackedWeight packed(*device, plain);
      std::vector<float> x(256);
      for (size_t i = 0; i < x.size(); ++i)
        x[i] = i % 32 == 0 ? 127.0f : static_cast<float>(static_cast<int>(i * 37 % 255) - 127);
      const std::vector<float> y = multiply(*device, x, 1, packed.tensor);
      for (int64_t j = 0; j < plain.n; ++j) {
        const std::vector<float> row = plain.row(j);
        double want = 0, size = 0;
        for (size_t k = 0; k < 256; ++k) {
          want += double{row[k]} * double{x[k]};
          size += std::fabs(double{row[k]} * double{x[k]});
        }
        ASSERT_NEAR(double{y[static_cast<size_t>(j)]}, want, 1e-5 * size)
            << kernel_name(isa, to_string(type)) << " column " << j;
      }
    }
  }
}

TEST(CpuMatmul, ARowDoesNotDependOnItsBatchOrTheThreads) {
  for (Isa isa : sets_of_this_machine()) {
    auto one = open(isa, 1), two = open(isa, 2);
    for (DType type : kWeightTypes)
      for (int64_t k : {256, 1536}) {  // one chunk of k and several
        const PlainWeight plain(type, 160, k, 5);
        const PackedWeight packed(*one, plain);
        const std::vector<float> x = random_floats(static_cast<size_t>(40 * k), 21);
        std::vector<float> alone;
        for (int64_t i = 0; i < 40; ++i) {
          const std::vector<float> row(x.begin() + i * k, x.begin() + (i + 1) * k);
          const std::vector<float> y = multiply(*one, row, 1, packed.tensor);
          alone.insert(alone.end(), y.begin(), y.end());
        }
        for (int64_t m : {2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 16, 25, 40})
          for (Device* device : {one.get(), two.get()}) {
            const std::vector<float> y = multiply(*device, x, m, packed.tensor);
            ASSERT_EQ(std::memcmp(y.data(), alone.data(), y.size() * sizeof(float)), 0)
                << kernel_name(isa, to_string(type)) << " k " << k << " batch of " << m << " threads "
                << device->threads();
          }
      }
  }
}

TEST(CpuMatmul, AddsBiasAndResidual) {
  for (Isa isa : sets_of_this_machine()) {
    auto device = open(isa);
    for (int64_t m : {1, 20}) {
      const PlainWeight plain(DType::Q8_0, 45, 64, 3);
      const PackedWeight packed(*device, plain);
      const std::vector<float> x = random_floats(static_cast<size_t>(m * 64), 1), bias = random_floats(45, 2),
                               residual = random_floats(static_cast<size_t>(m * 45), 4);
      const std::vector<float> bare = multiply(*device, x, m, packed.tensor);
      const std::vector<float> full = multiply(*device, x, m, packed.tensor, bias.data(), residual.data());
      for (size_t i = 0; i < full.size(); ++i) ASSERT_EQ(full[i], (bare[i] + bias[i % 45]) + residual[i]);
    }
  }
}

TEST(CpuMatmul, ANaNActivationIsNotRoundedAway) {
  for (Isa isa : sets_of_this_machine()) {
    auto device = open(isa);
    const PlainWeight plain(DType::Q4_1, 8, 64, 3);
    const PackedWeight packed(*device, plain);
    for (size_t at : {size_t{0}, size_t{20}, size_t{63}}) {
      std::vector<float> x(64, 1.0f);
      x[at] = std::nanf("");
      for (float v : multiply(*device, x, 1, packed.tensor))
        ASSERT_TRUE(std::isnan(v)) << kernel_name(isa, "matmul") << " at " << at;
    }
  }
}

TEST(CpuMatmul, OneTableServesOutputAndLookup) {
  for (Isa isa : sets_of_this_machine()) {
    auto device = open(isa);
    const PlainWeight plain(DType::Q8_0, 100, 64, 3);
    const PackedWeight packed(*device, plain);
    const int32_t ids[] = {99, 0, 33};
    std::vector<float> y(3 * 64);
    HearthOpCall call{};
    const GatherRowsAttributes attributes{.scale = 2.0f};
    call.attributes = &attributes;
    call.inputs[0] = packed.tensor;
    call.inputs[1] = view(ids, DType::I32, {3});
    call.outputs[0] = view(y.data(), DType::F32, {3, 64});
    run(*device, Op::GatherRows, call);
    EXPECT_EQ(device->last_kernel(), "cpu.gather_rows");
    for (size_t i = 0; i < 3; ++i) {
      const std::vector<float> row = plain.row(ids[i]);
      for (size_t j = 0; j < 64; ++j) ASSERT_EQ(y[i * 64 + j], 2.0f * row[j]);
    }
    const int32_t outside[] = {100, 0, -1};
    call.inputs[1] = view(outside, DType::I32, {3});
    EXPECT_EQ(device->run(Op::GatherRows, call).error().kind, ErrorKind::Invalid);
  }
}

}  // namespace
}  // namespace hearth::ops::cpu
