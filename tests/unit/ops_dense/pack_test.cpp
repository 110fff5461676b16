// Packed weights: what a factor for each column, parts, any address and any strides make of them.
#include <fmt/format.h>

#include "product_case.h"

namespace hearth::ops::cpu {
namespace {

using Bytes = std::vector<std::byte>;

struct Case {
  int64_t k, n;
  bool transposed;
  Factors factors;
};

// The same matrix in the plainest form: dense rows of products.
Bytes plain(const DenseKernels& kernels, const Case& c, const std::vector<float>& b, const std::vector<float>& scale) {
  const int64_t row = c.transposed ? 1 : c.n, column = c.transposed ? c.k : 1;
  std::vector<float> made(static_cast<size_t>(c.k * c.n));
  for (int64_t i = 0; i < c.k; ++i)
    for (int64_t j = 0; j < c.n; ++j)
      made[static_cast<size_t>(i * c.n + j)] =
          b[static_cast<size_t>(i * row + j * column)] * scale[static_cast<size_t>(j)];
  Bytes packed(kernels.packed_matrix_bytes(c.k, c.n, c.factors));
  kernels.pack_matrix(made.data(), c.n, 1, c.k, c.n, nullptr, c.factors, packed.data());
  return packed;
}

template <class Check>
void for_cases(const Check& check) {
  for (const Isa isa : dense_sets_of_this_machine())
    for (const auto factors : {Factors::F32, Factors::BF16})
      for (const bool transposed : {false, true})
        for (const int64_t k : {1, 2, 17, 37, 64})
          for (const int64_t n : {1, 5, 31, 32, 33, 96, 100, 700}) {
            SCOPED_TRACE(fmt::format("{} {}x{}{}{}", to_string(isa), k, n, transposed ? " transposed" : "",
                                     factors == Factors::BF16 ? " bf16" : ""));
            check(dense_kernels(isa), Case{k, n, transposed, factors});
          }
}

TEST(PackMatrix, ColumnsAreScaledAtAnyAddress) {
  for_cases([](const DenseKernels& kernels, const Case& c) {
    const std::vector<float> b = normal_floats(c.k * c.n, 1), scale = normal_floats(c.n, 2);
    Bytes shifted(b.size() * 4 + 3), packed(kernels.packed_matrix_bytes(c.k, c.n, c.factors), std::byte{0x55});
    std::memcpy(shifted.data() + 3, b.data(), b.size() * 4);
    kernels.pack_matrix(reinterpret_cast<const float*>(shifted.data() + 3), c.transposed ? 1 : c.n,
                        c.transposed ? c.k : 1, c.k, c.n, scale.data(), c.factors, packed.data());
    EXPECT_TRUE(packed == plain(kernels, c, b, scale));
  });
}

TEST(PackMatrix, PartsMakeTheWhole) {
  for_cases([](const DenseKernels& kernels, const Case& c) {
    const std::vector<float> b = normal_floats(c.k * c.n, 3), scale = normal_floats(c.n, 4);
    Bytes packed(kernels.packed_matrix_bytes(c.k, c.n, c.factors), std::byte{0x55});
    const int64_t column = c.transposed ? c.k : 1;
    for (int64_t j = 0; j < c.n; j += kPackedColumns)
      kernels.pack_matrix(b.data() + j * column, c.transposed ? 1 : c.n, column, c.k, std::min(kPackedColumns, c.n - j),
                          scale.data() + j, c.factors, packed.data() + kernels.packed_matrix_bytes(c.k, j, c.factors));
    EXPECT_TRUE(packed == plain(kernels, c, b, scale));
  });
}

TEST(PackMatrix, StridesWithoutAnyRun) {
  for (const Isa isa : dense_sets_of_this_machine())
    for (const auto factors : {Factors::F32, Factors::BF16}) {
      const DenseKernels& kernels = dense_kernels(isa);
      const Case c{9, 41, false, factors};
      const std::vector<float> wide = normal_floats(c.k * c.n * 3, 5), scale = normal_floats(c.n, 6);
      std::vector<float> b;
      for (size_t i = 0; i < wide.size(); i += 3) b.push_back(wide[i]);
      Bytes packed(kernels.packed_matrix_bytes(c.k, c.n, factors));
      kernels.pack_matrix(wide.data(), 3 * c.n, 3, c.k, c.n, scale.data(), factors, packed.data());
      EXPECT_TRUE(packed == plain(kernels, c, b, scale)) << to_string(isa);
    }
}

// A direct convolution's weight is the matrix whose rows are taps, and channels within each.
TEST(PackConv, DirectIsTheMatrixOfItsTaps) {
  for (const Isa isa : dense_sets_of_this_machine())
    for (const auto factors : {Factors::F32, Factors::BF16})
      for (const int64_t taps : {1, 7, 49, 300})
        for (const int64_t channels : {2, 6, 34})
          for (const int64_t outputs : {5, 100}) {
            const DenseKernels& kernels = dense_kernels(isa);
            const std::vector<float> w = normal_floats(outputs * channels * taps, 7), scale = normal_floats(outputs, 8);
            ConvShape shape;
            shape.channels = channels;
            shape.out_channels = outputs;
            shape.kernel_width = taps;
            Bytes packed(kernels.packed_conv_bytes(shape, ConvAlgorithm::Direct, factors), std::byte{0x55});
            kernels.pack_conv(w.data(), shape, scale.data(), ConvAlgorithm::Direct, factors, packed.data());
            std::vector<float> b(w.size());
            for (int64_t o = 0; o < outputs; ++o)
              for (int64_t i = 0; i < channels; ++i)
                for (int64_t t = 0; t < taps; ++t)
                  b[static_cast<size_t>((t * channels + i) * outputs + o)] =
                      w[static_cast<size_t>((o * channels + i) * taps + t)];
            const Case c{taps * channels, outputs, false, factors};
            EXPECT_TRUE(packed == plain(kernels, c, b, scale))
                << to_string(isa) << " " << taps << " taps of " << channels << " channels, "
                << (factors == Factors::F32 ? "f32" : "bf16");
          }
}

TEST(PackConv, PartsMakeTheWhole) {
  for (const Isa isa : dense_sets_of_this_machine())
    for (const auto algorithm : {ConvAlgorithm::Direct, ConvAlgorithm::Winograd}) {
      const DenseKernels& kernels = dense_kernels(isa);
      ConvShape shape;
      shape.channels = 19;
      shape.out_channels = 2 * kPackedColumns + 7;
      shape.kernel_height = shape.kernel_width = 3;
      const int64_t each = shape.channels * 9;
      const std::vector<float> w = normal_floats(shape.out_channels * each, 9),
                               scale = normal_floats(shape.out_channels, 10);
      const size_t bytes = kernels.packed_conv_bytes(shape, algorithm, Factors::F32);
      Bytes whole(bytes), parts(bytes, std::byte{0x55});
      kernels.pack_conv(w.data(), shape, scale.data(), algorithm, Factors::F32, whole.data());
      for (int64_t j = 0; j < shape.out_channels; j += kPackedColumns) {
        ConvShape before = shape, part = shape;
        before.out_channels = j;
        part.out_channels = std::min(kPackedColumns, shape.out_channels - j);
        kernels.pack_conv(w.data() + j * each, part, scale.data() + j, algorithm, Factors::F32,
                          parts.data() + (j == 0 ? 0 : kernels.packed_conv_bytes(before, algorithm, Factors::F32)));
      }
      EXPECT_TRUE(whole == parts) << to_string(isa);
    }
}

}  // namespace
}  // namespace hearth::ops::cpu
