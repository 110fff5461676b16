// The operators that passes make, against plain loops in double.
#include <cmath>
#include <random>

#include "ops/cpu/dense.h"
#include "test_call.h"

namespace hearth::operators {
namespace {

using ops::cpu::ConvAlgorithm;
using ops::cpu::dense_kernels;
using ops::cpu::Factors;

Tensor random_floats(const Dims& dims, uint32_t seed) {
  auto made = Tensor::allocate(DType::F32, dims);
  CHECK(made);
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> numbers(-1, 1);
  for (int64_t i = 0; i < made->size(); ++i) made->mutable_data<float>()[i] = numbers(random);
  return std::move(*made);
}

TestCall& with_steps(TestCall& call, std::vector<std::string> steps) {
  return call.with("steps", graph::Attribute::Data(std::move(steps)));
}

void expect_near(const Tensor& got, const std::vector<double>& want, double tolerance = 1e-4) {
  ASSERT_EQ(got.size(), static_cast<int64_t>(want.size()));
  for (size_t i = 0; i < want.size(); ++i)
    ASSERT_NEAR(got.data<float>()[i], want[i], tolerance * (1 + std::abs(want[i]))) << "element " << i;
}

struct ConvCase {
  Dims x, w;  // x channels-last
  int64_t stride = 1, dilation = 1, pad = 0, groups = 1;
};

std::vector<double> reference_conv(const ConvCase& c, const Tensor& x, const Tensor& w, Dims& dims) {
  const bool flat = c.x.rank() == 3;
  const int64_t n = c.x[0], h = flat ? 1 : c.x[1], wide = c.x[c.x.size() - 2], channels = c.x.back();
  const int64_t m = c.w[0], depth = c.w[1], kh = flat ? 1 : c.w[2], kw = c.w.back();
  const int64_t pad_h = flat ? 0 : c.pad, stride_h = flat ? 1 : c.stride, dilation_h = flat ? 1 : c.dilation;
  const int64_t oh = (h + 2 * pad_h - (kh - 1) * dilation_h - 1) / stride_h + 1;
  const int64_t ow = (wide + 2 * c.pad - (kw - 1) * c.dilation - 1) / c.stride + 1;
  dims = flat ? Dims{n, ow, m} : Dims{n, oh, ow, m};
  std::vector<double> y;
  for (int64_t b = 0; b < n; ++b)
    for (int64_t i = 0; i < oh; ++i)
      for (int64_t j = 0; j < ow; ++j)
        for (int64_t o = 0; o < m; ++o) {
          double sum = 0;
          const int64_t first = o / (m / c.groups) * depth;
          for (int64_t d = 0; d < depth; ++d)
            for (int64_t a = 0; a < kh; ++a)
              for (int64_t e = 0; e < kw; ++e) {
                const int64_t r = i * stride_h - pad_h + a * dilation_h, s = j * c.stride - c.pad + e * c.dilation;
                if (r < 0 || r >= h || s < 0 || s >= wide) continue;
                sum += x.data<float>()[((b * h + r) * wide + s) * channels + first + d] *
                       w.data<float>()[((o * depth + d) * kh + a) * kw + e];
              }
          y.push_back(sum);
        }
  return y;
}

TestCall& with_window(TestCall& call, const ConvCase& c) {
  const auto axes = static_cast<size_t>(c.x.rank() - 2);
  const auto same = [&](size_t count, int64_t value) { return std::vector<int64_t>(count, value); };
  call.with("kernel_shape", graph::Attribute::Data(std::vector<int64_t>(c.w.begin() + 2, c.w.end())));
  call.with("strides", graph::Attribute::Data(same(axes, c.stride)));
  call.with("dilations", graph::Attribute::Data(same(axes, c.dilation)));
  call.with("pads", graph::Attribute::Data(same(2 * axes, c.pad)));
  call.with("group", graph::Attribute::Data(c.groups));
  return call.with("out_channels", graph::Attribute::Data(c.w[0]));
}

const ConvCase kConvs[] = {
    {{2, 7, 9, 5}, {11, 5, 3, 3}, 1, 1, 1},      {{1, 12, 12, 16}, {32, 16, 3, 3}, 1, 1, 1},
    {{1, 8, 8, 3}, {8, 3, 5, 5}, 2, 1, 2},       {{2, 6, 5, 8}, {16, 8, 1, 1}},
    {{1, 9, 9, 12}, {12, 1, 3, 3}, 2, 1, 1, 12}, {{1, 9, 9, 8}, {12, 4, 3, 3}, 1, 2, 2, 2},
    {{2, 20, 6}, {10, 6, 3}, 1, 1, 1},           {{1, 20, 24}, {24, 1, 15}, 1, 1, 7, 24},
};

TEST(FusedConv, PlainWeightsBiasAndSteps) {
  for (const ConvCase& c : kConvs) {
    SCOPED_TRACE(to_string(c.x) + " " + to_string(c.w));
    const Tensor x = random_floats(c.x, 1), w = random_floats(c.w, 2), bias = random_floats({c.w[0]}, 3);
    Dims dims;
    auto want = reference_conv(c, x, w, dims);
    const Tensor slopes = random_floats({c.w[0]}, 4), added = random_floats(dims, 5);
    const int64_t m = c.w[0];
    for (size_t i = 0; i < want.size(); ++i) {
      double v = want[i] + bias.data<float>()[static_cast<int64_t>(i) % m];
      v += added.data<float>()[i];
      want[i] = v < 0 ? v * slopes.data<float>()[static_cast<int64_t>(i) % m] : v;
    }
    for (const bool constant : {true, false}) {
      TestCall call("Conv", 1, {x, w, bias, slopes, added}, 1, "hearth");
      with_steps(with_window(call, c), {"add 4", "prelu 3"});
      if (constant) call.constant(1);
      ASSERT_EQ(call.error(), "");
      ASSERT_EQ(call.out().dims(), dims);
      expect_near(call.out(), want);
    }
  }
}

TEST(FusedConv, PackedWeights) {
  const ConvCase& c = kConvs[1];
  const Tensor x = random_floats(c.x, 1), w = random_floats(c.w, 2);
  Dims dims;
  const auto want = reference_conv(c, x, w, dims);
  const ops::cpu::ConvShape shape{.channels = 16, .out_channels = 32, .kernel_height = 3, .kernel_width = 3};
  for (const auto& [algorithm, name] :
       {std::pair{ConvAlgorithm::Direct, "direct"}, {ConvAlgorithm::Winograd, "winograd"}}) {
    const auto bytes = static_cast<int64_t>(dense_kernels().packed_conv_bytes(shape, algorithm, Factors::F32));
    auto packed = Tensor::allocate(DType::U8, {bytes});
    ASSERT_TRUE(packed);
    dense_kernels().pack_conv(w.data<float>(), shape, nullptr, algorithm, Factors::F32, packed->mutable_raw());
    TestCall call("Conv", 1, {x, *packed}, 1, "hearth");
    with_window(call, c).with("algorithm", graph::Attribute::Data(std::string(name))).constant(1);
    ASSERT_EQ(call.error(), "");
    expect_near(call.out(), want, 5e-4);
    auto less = Tensor::allocate(DType::U8, {bytes - 1});
    TestCall wrong("Conv", 1, {x, *less}, 1, "hearth");
    with_window(wrong, c).with("algorithm", graph::Attribute::Data(std::string(name))).constant(1);
    EXPECT_EQ(wrong.error(),
              fmt::format("[Conv] packed weight; got {} bytes, need {} for 16 channels", bytes - 1, bytes));
  }
}

TEST(FusedConv, WhatDoesNotFitIsAnError) {
  const ConvCase c{{1, 5, 5, 4}, {6, 4, 3, 3}};
  const Tensor w = random_floats(c.w, 2);
  const auto error = [&](const Dims& x, std::vector<Value> more = {}, std::vector<std::string> steps = {}) {
    std::vector<Value> inputs{random_floats(x, 1), w};
    for (Value& value : more) inputs.push_back(value);
    TestCall call("Conv", 1, inputs, 1, "hearth");
    with_steps(with_window(call, c), std::move(steps)).constant(1);
    return call.error();
  };
  EXPECT_EQ(error({1, 5, 5, 4}), "");
  EXPECT_EQ(error({0, 5, 5, 4}), "");
  EXPECT_EQ(error({1, 5, 5, 3}), "[Conv] input; got [1, 5, 5, 3], need 4 channels, as the weight has");
  EXPECT_EQ(error({1, 5, 4}), "[Conv] input; got [1, 5, 4], need [N, 2 spatial dimensions, C]");
  EXPECT_EQ(error({1, 2, 5, 4}),
            "[Conv] window; got an extent of 3 on spatial axis 0, need at most the padded input's 2");
  EXPECT_EQ(error({1, 5, 5, 4}, {random_floats({5}, 1)}), "[Conv] bias; got [5], need [6]");
  EXPECT_EQ(error({1, 5, 5, 4}, {Value(), random_floats({3, 1, 6}, 1)}, {"add 3"}),
            "[Conv] operand, input 3; got [3, 1, 6], need a number, columns, rows or the whole of [1, 3, 3, 6]");
}

TEST(FusedMatMul, PlainAndPackedFactors) {
  const int64_t k = 37, n = 50;
  const Tensor a = random_floats({2, 3, k}, 1), b = random_floats({k, n}, 2), bias = random_floats({n}, 3);
  const Tensor scale = random_floats({2, 3, 1}, 4);
  std::vector<double> want;
  for (int64_t i = 0; i < 6; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = bias.data<float>()[j];
      for (int64_t p = 0; p < k; ++p)
        sum += static_cast<double>(a.data<float>()[i * k + p]) * b.data<float>()[p * n + j];
      want.push_back(std::tanh(sum * scale.data<float>()[i]));
    }
  auto packed =
      Tensor::allocate(DType::U8, {static_cast<int64_t>(dense_kernels().packed_matrix_bytes(k, n, Factors::F32))});
  ASSERT_TRUE(packed);
  dense_kernels().pack_matrix(b.data<float>(), n, 1, k, n, nullptr, Factors::F32, packed->mutable_raw());
  for (const Tensor& factor : {b, *packed}) {
    TestCall call("MatMul", 1, {a, factor, bias, scale}, 1, "hearth");
    with_steps(call, {"mul 3", "tanh"})
        .with("k", graph::Attribute::Data(k))
        .with("n", graph::Attribute::Data(n))
        .constant(1);
    ASSERT_EQ(call.error(), "");
    ASSERT_EQ(call.out().dims(), (Dims{2, 3, n}));
    expect_near(call.out(), want);
  }
  TestCall empty("MatMul", 1, {random_floats({0, k}, 1), b}, 1, "hearth");
  empty.with("k", graph::Attribute::Data(k)).with("n", graph::Attribute::Data(n)).constant(1);
  EXPECT_EQ(empty.error(), "");
  EXPECT_EQ(empty.out().dims(), (Dims{0, n}));
  TestCall wrong("MatMul", 1, {random_floats({2, k + 1}, 1), b}, 1, "hearth");
  wrong.with("k", graph::Attribute::Data(k)).with("n", graph::Attribute::Data(n)).constant(1);
  EXPECT_EQ(wrong.error(), "[MatMul] factor A; got [2, 38], need a last dimension of 37");
}

TEST(FusedPointwise, StepsOverEveryShape) {
  for (const Dims& dims : {Dims{}, Dims{7}, Dims{3, 33}, Dims{2, 3, 4, 17}, Dims{0, 4}}) {
    const Tensor x = random_floats(dims, 1), two = tensor<float>({}, {2});
    TestCall call("Pointwise", 1, {x, two, x}, 1, "hearth");
    with_steps(call, {"mul 1", "abs", "reverse_sub 2"});
    ASSERT_EQ(call.error(), "");
    std::vector<double> want;
    for (int64_t i = 0; i < x.size(); ++i) {
      const double v = x.data<float>()[i];
      want.push_back(v - std::abs(2 * v));
    }
    expect_near(call.out(), want);
  }
}

TEST(FusedAttention, AgreesWithPlainLoops) {
  struct Case {
    int64_t batch, heads, kv_heads, s, t, size, value_size;
    Dims mask;
  };
  for (const Case& c : {Case{2, 4, 4, 9, 9, 16, 16, {2, 1, 1, 9}}, Case{1, 4, 2, 5, 12, 8, 24, {5, 12}},
                        Case{1, 2, 2, 70, 70, 64, 64, {}}, Case{1, 3, 3, 1, 40, 32, 32, {1, 3, 1, 40}}}) {
    const Tensor q = random_floats({c.batch, c.s, c.heads * c.size}, 1),
                 k = random_floats({c.batch, c.t, c.kv_heads * c.size}, 2),
                 v = random_floats({c.batch, c.t, c.kv_heads * c.value_size}, 3);
    const Tensor mask = c.mask.empty() ? Tensor() : random_floats(c.mask, 4);
    std::vector<Value> inputs(c.mask.empty() ? 3 : 4);
    inputs[0] = q;
    inputs[1] = k;
    inputs[2] = v;
    if (mask) inputs[3] = mask;
    TestCall call("Attention", 1, inputs, 1, "hearth");
    call.with("heads", graph::Attribute::Data(c.heads)).with("kv_heads", graph::Attribute::Data(c.kv_heads));
    call.with("scale", graph::Attribute::Data(0.25f));
    ASSERT_EQ(call.error(), "");
    const auto mask_at = [&](int64_t b, int64_t h, int64_t i, int64_t j) -> double {
      if (c.mask.empty()) return 0;
      const int64_t at[4] = {b, h, i, j};
      int64_t offset = 0;
      for (int d = 0; d < c.mask.rank(); ++d) {
        const int64_t size = c.mask[static_cast<size_t>(d)];
        offset = offset * size + (size == 1 ? 0 : at[d + 4 - c.mask.rank()]);
      }
      return mask.data<float>()[offset];
    };
    std::vector<double> want(static_cast<size_t>(c.batch * c.s * c.heads * c.value_size));
    for (int64_t b = 0; b < c.batch; ++b)
      for (int64_t h = 0; h < c.heads; ++h)
        for (int64_t i = 0; i < c.s; ++i) {
          const int64_t shared = h / (c.heads / c.kv_heads);
          std::vector<double> p;
          double sum = 0;
          for (int64_t j = 0; j < c.t; ++j) {
            double score = 0;
            for (int64_t e = 0; e < c.size; ++e)
              score += static_cast<double>(q.data<float>()[((b * c.s + i) * c.heads + h) * c.size + e]) *
                       k.data<float>()[((b * c.t + j) * c.kv_heads + shared) * c.size + e];
            p.push_back(std::exp(0.25 * score + mask_at(b, h, i, j)));
            sum += p.back();
          }
          for (int64_t e = 0; e < c.value_size; ++e) {
            double& to = want[static_cast<size_t>(((b * c.s + i) * c.heads + h) * c.value_size + e)];
            for (int64_t j = 0; j < c.t; ++j)
              to += p[static_cast<size_t>(j)] / sum *
                    v.data<float>()[((b * c.t + j) * c.kv_heads + shared) * c.value_size + e];
          }
        }
    expect_near(call.out(), want);
  }
  TestCall wrong("Attention", 1,
                 {random_floats({1, 2, 8}, 1), random_floats({1, 3, 6}, 1), random_floats({1, 3, 8}, 1)}, 1, "hearth");
  wrong.with("heads", graph::Attribute::Data(int64_t{2})).with("kv_heads", graph::Attribute::Data(int64_t{2}));
  wrong.with("scale", graph::Attribute::Data(1.0f));
  EXPECT_TRUE(wrong.error().starts_with("[Attention] Q, K, V; got [1, 2, 8], [1, 3, 6] and [1, 3, 8], need"));
}

TEST(FusedLayerNormalization, AgreesWithPlainLoops) {
  const Tensor x = random_floats({2, 3, 40}, 1), scale = random_floats({40}, 2), shift = random_floats({40}, 3);
  TestCall call("LayerNormalization", 1, {x, scale, shift}, 1, "hearth");
  call.with("epsilon", graph::Attribute::Data(1e-3f));
  ASSERT_EQ(call.error(), "");
  std::vector<double> want;
  for (int64_t r = 0; r < 6; ++r) {
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < 40; ++i) mean += x.data<float>()[r * 40 + i] / 40.0;
    for (int64_t i = 0; i < 40; ++i) variance += std::pow(x.data<float>()[r * 40 + i] - mean, 2) / 40;
    for (int64_t i = 0; i < 40; ++i)
      want.push_back((x.data<float>()[r * 40 + i] - mean) / std::sqrt(variance + 1e-3) * scale.data<float>()[i] +
                     shift.data<float>()[i]);
  }
  expect_near(call.out(), want);
  TestCall wrong("LayerNormalization", 1, {x, shift, random_floats({39}, 1)}, 1, "hearth");
  EXPECT_EQ(wrong.error(), "[LayerNormalization] shift; got [39], need [40]");
}

// The pools of ONNX on the transposed image say what is right.
TEST(FusedPools, AgreeWithThoseOfChannelsFirst) {
  struct Case {
    Dims x;
    std::vector<int64_t> kernel, strides, pads;
    int64_t ceil, with_pads;
  };
  for (const Case& c :
       {Case{{2, 9, 8, 5}, {3, 3}, {2, 2}, {1, 1, 1, 1}, 0, 0}, Case{{1, 7, 7, 20}, {2, 3}, {2, 2}, {0, 1, 0, 1}, 1, 1},
        Case{{1, 10, 6}, {4}, {3}, {1, 2}, 1, 0}, Case{{1, 5, 5, 3}, {5, 5}, {1, 1}, {2, 2, 2, 2}, 0, 1}}) {
    Tensor x = random_floats(c.x, 1);
    std::vector<int64_t> forth{0, c.x.rank() - 1}, back{0};
    for (int i = 1; i + 1 < c.x.rank(); ++i) forth.push_back(i);
    for (int i = 2; i < c.x.rank(); ++i) back.push_back(i);
    back.push_back(1);
    const auto transpose = [](const Tensor& from, std::vector<int64_t> perm) {
      TestCall call("Transpose", 13, {from});
      call.with("perm", graph::Attribute::Data(std::move(perm)));
      CHECK(call.run());
      return call.out();
    };
    // As doubles, so that no fast kernel serves the reference.
    TestCall cast("Cast", 13, {transpose(x, forth)});
    cast.with("to", graph::Attribute::Data(graph::onnx_number(DType::F64)));
    ASSERT_EQ(cast.error(), "");
    for (const std::string op : {"MaxPool", "AveragePool"}) {
      const auto with = [&](TestCall& call) {
        call.with("kernel_shape", graph::Attribute::Data(c.kernel)).with("strides", graph::Attribute::Data(c.strides));
        call.with("pads", graph::Attribute::Data(c.pads)).with("ceil_mode", graph::Attribute::Data(c.ceil));
        if (op == "AveragePool") call.with("count_include_pad", graph::Attribute::Data(c.with_pads));
      };
      TestCall reference(op, 19, {cast.out()}), fused(op, 1, {x}, 1, "hearth"), first(op, 19, {transpose(x, forth)});
      with(reference);
      with(fused);
      with(first);
      ASSERT_EQ(reference.error(), "");
      ASSERT_EQ(fused.error(), "");
      ASSERT_EQ(first.error(), "");
      expect_near(first.out(), doubles<double>(reference.out()));
      expect_near(transpose(fused.out(), forth), doubles<double>(reference.out()));
    }
    TestCall reference("GlobalAveragePool", 1, {cast.out()}), fused("GlobalAveragePool", 1, {x}, 1, "hearth");
    ASSERT_EQ(reference.error(), "");
    ASSERT_EQ(fused.error(), "");
    expect_near(fused.out(), doubles<double>(reference.out()));
  }
}

}  // namespace
}  // namespace hearth::operators
