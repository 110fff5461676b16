// Random matrices and calls for these tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ops/cpu/cpu_device.h"
#include "ops/cpu/isa.h"
#include "tensor/quant_blocks.h"
#include "tensor/tensor.h"

namespace hearth::ops::cpu {

inline constexpr DType kWeightTypes[] = {DType::F32,  DType::F16,  DType::BF16, DType::Q8_0, DType::Q4_0, DType::Q4_1,
                                         DType::Q5_0, DType::Q5_1, DType::Q4_K, DType::Q5_K, DType::Q6_K};

inline std::vector<float> random_floats(size_t count, uint32_t seed, float spread = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

// Matrix [n, k] in a file's own layout.
struct PlainWeight {
  PlainWeight(DType type, int64_t rows, int64_t columns, uint32_t seed)
      : dtype(type), n(rows), k(columns), bytes(static_cast<size_t>(rows * bytes_of(type, columns))) {
    const std::vector<float> values = random_floats(static_cast<size_t>(n * k), seed, 0.3f);
    for (int64_t i = 0; i < n; ++i)
      quantise_row(type, &values[static_cast<size_t>(i * k)], bytes.data() + bytes_of(type, i * k), k);
  }
  TensorView tensor() const { return view(bytes.data(), dtype, {n, k}); }
  std::vector<float> row(int64_t i) const {
    std::vector<float> out(static_cast<size_t>(k));
    dequantise_row(dtype, bytes.data() + bytes_of(dtype, i * k), out.data(), k);
    return out;
  }
  DType dtype;
  int64_t n, k;
  std::vector<uint8_t> bytes;
};

// What a device made of a weight, and its view.
struct PackedWeight {
  PackedWeight(Device& device, const PlainWeight& plain) {
    const PackedForm form = device.packed_form(plain.dtype, plain.n, plain.k);
    memory = device.allocate(form.bytes).value();
    const TensorView sources[] = {plain.tensor()};
    const auto packed = device.pack(sources, memory.data());
    EXPECT_TRUE(packed.has_value());
    tensor = view(memory.data(), form.dtype, {plain.n, plain.k});
    tensor.layout = static_cast<int32_t>(form.layout);
  }
  Buffer memory;
  TensorView tensor;
};

inline std::vector<Isa> sets_of_this_machine() {
  std::vector<Isa> sets;
  for (Isa isa : {Isa::Portable, Isa::Avx2, Isa::Avx512})
    if (missing_flags(isa).empty()) sets.push_back(isa);
  return sets;
}

inline std::unique_ptr<Device> open(Isa isa, int threads = 2) {
  DeviceOptions options;
  options.isa = to_string(isa);
  options.threads = threads;
  auto device = open_cpu_device(options);
  EXPECT_TRUE(device.has_value());
  return std::move(*device);
}

inline void run(Device& device, Op op, const HearthOpCall& call) {
  const auto result = device.run(op, call);
  ASSERT_TRUE(result.has_value()) << result.error().message;
}

inline std::string kernel_name(Isa isa, std::string_view op) {
  return std::string(to_string(isa)) + "." + std::string(op);
}

}  // namespace hearth::ops::cpu
