#include <cmath>

#include "graph/type.h"
#include "test_call.h"

namespace hearth::operators {
namespace {

template <class T>
std::vector<double> run(TestCall& call, int i = 0) {
  const auto done = call.run();
  EXPECT_TRUE(done) << done.error().message;
  return done ? doubles<T>(call.out(i)) : std::vector<double>();
}

TEST(QuantizeLinear, SaturatesAndRoundsToEven) {
  const Tensor x = tensor<float>({8}, {0.5f, 1.5f, -1000, 1e30f, -INFINITY, INFINITY, NAN, 2.5f});
  TestCall bytes("QuantizeLinear", 21, {x, tensor<float>({}, {1}), tensor<uint8_t>({}, {10})});
  EXPECT_EQ(run<uint8_t>(bytes), (std::vector<double>{10, 12, 0, 255, 0, 255, 0, 12}));
  TestCall nibbles("QuantizeLinear", 21, {x, tensor<float>({}, {1}), tensor_of<Int4>({}, {0})});
  EXPECT_EQ(run<Int4>(nibbles), (std::vector<double>{0, 2, -8, 7, -8, 7, -8, 2}));
  TestCall wide("QuantizeLinear", 21, {tensor<int32_t>({2}, {100000, -100000}), tensor<float>({}, {2})});
  EXPECT_EQ(run<int16_t>(wide.with("output_dtype", graph::onnx_number(DType::I16))),
            (std::vector<double>{32767, -32768}));
}

TEST(QuantizeLinear, AxisAndBlocks) {
  const Tensor x = tensor<float>({2, 4}, {2, 4, 6, 8, 20, 40, 60, 80});
  TestCall axis("QuantizeLinear", 21, {x, tensor<float>({2}, {2, 20}), tensor<int8_t>({2}, {0, 1})});
  EXPECT_EQ(run<int8_t>(axis.with("axis", int64_t{-2})), (std::vector<double>{1, 2, 3, 4, 2, 3, 4, 5}));
  TestCall blocks("QuantizeLinear", 21, {x, tensor<float>({2, 2}, {2, 1, 10, 20})});
  EXPECT_EQ(run<uint8_t>(blocks.with("axis", int64_t{1}).with("block_size", int64_t{3})),
            (std::vector<double>{1, 2, 3, 8, 2, 4, 6, 4}));
  TestCall rows("QuantizeLinear", 21, {x, tensor<float>({1, 4}, {2, 4, 6, 8})});
  EXPECT_EQ(run<uint8_t>(rows.with("axis", int64_t{0}).with("block_size", int64_t{2})),
            (std::vector<double>{1, 1, 1, 1, 10, 10, 10, 10}));
}

TEST(QuantizeLinear, SmallFloats) {
  TestCall saturated("QuantizeLinear", 19,
                     {tensor<float>({2}, {1e6f, 3}), tensor<float>({}, {2}), tensor_of<F8E4M3FN>({}, {0})});
  EXPECT_EQ(run<F8E4M3FN>(saturated), (std::vector<double>{448, 1.5}));
  TestCall open("QuantizeLinear", 19, {tensor<float>({1}, {1e6f}), tensor<float>({}, {2}), tensor_of<F8E5M2>({}, {0})});
  EXPECT_EQ(run<F8E5M2>(open.with("saturate", int64_t{0})), std::vector<double>{INFINITY});
}

TEST(QuantizeLinear, Errors) {
  const Tensor x = tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  TestCall sizes("QuantizeLinear", 21, {x, tensor<float>({2}, {1, 1})});
  EXPECT_EQ(sizes.error(), "[QuantizeLinear] sizes of the scale; got [2], need [3], one for each element of axis 1");
  TestCall blocks("QuantizeLinear", 21, {x, tensor<float>({2, 3}, {1, 1, 1, 1, 1, 1})});
  EXPECT_EQ(blocks.with("block_size", int64_t{2}).error(),
            "[QuantizeLinear] sizes of the scale; got [2, 3], need [2, 2] for blocks of 2 along axis 1");
  TestCall axis("QuantizeLinear", 21, {x, tensor<float>({3}, {1, 1, 1})});
  EXPECT_EQ(axis.with("axis", int64_t{2}).error(), "[QuantizeLinear] axis; got 2, need at least -2 and less than 2");
  TestCall zero("QuantizeLinear", 21, {x, tensor<float>({}, {1}), tensor<uint8_t>({}, {1})});
  EXPECT_EQ(zero.with("output_dtype", graph::onnx_number(DType::I8)).error(),
            "[QuantizeLinear] zero point; got u8, need the output's i8");
  TestCall negative("QuantizeLinear", 21, {x, tensor<float>({}, {1})});
  EXPECT_EQ(negative.with("block_size", int64_t{-1}).error(), "[QuantizeLinear] block_size; got -1, need at least 0");
}

TEST(DequantizeLinear, EveryGranularity) {
  TestCall whole("DequantizeLinear", 21, {tensor<int32_t>({2}, {2000000001, -3}), tensor<float>({}, {2})});
  EXPECT_EQ(run<float>(whole), (std::vector<double>{4000000000, -6}));
  TestCall axis("DequantizeLinear", 21,
                {tensor<uint8_t>({2, 2}, {1, 2, 3, 4}), tensor<float>({2}, {1, 10}), tensor<uint8_t>({2}, {1, 0})});
  EXPECT_EQ(run<float>(axis), (std::vector<double>{0, 20, 2, 40}));
  TestCall blocks("DequantizeLinear", 21,
                  {tensor_of<UInt4>({3, 2}, {1, 2, 3, 4, 5, 6}), tensor<float>({2, 2}, {1, 10, 100, 1000})});
  EXPECT_EQ(run<float>(blocks.with("axis", int64_t{0}).with("block_size", int64_t{2})),
            (std::vector<double>{1, 20, 3, 40, 500, 6000}));
  TestCall scaled("DequantizeLinear", 24, {tensor_of<F4E2M1>({2}, {6, -0.5}), tensor_of<F8E8M0>({}, {4})});
  EXPECT_EQ(run<Half>(scaled.with("output_dtype", graph::onnx_number(DType::F16))), (std::vector<double>{24, -2}));
  TestCall untyped("DequantizeLinear", 24, {tensor_of<F4E2M1>({1}, {6}), tensor_of<F8E8M0>({}, {4})});
  EXPECT_EQ(untyped.error(), "[DequantizeLinear] output type; got f8e8m0, need output_dtype f32, f16 or bf16");
}

TEST(DynamicQuantizeLinear, RangeHoldsZero) {
  TestCall call("DynamicQuantizeLinear", 11, {tensor<float>({3}, {2, 4, 5.1f})}, 3);
  EXPECT_EQ(run<uint8_t>(call), (std::vector<double>{100, 200, 255}));
  EXPECT_NEAR(values<float>(call.out(1))[0], 0.02f, 1e-7);
  EXPECT_EQ(values<uint8_t>(call.out(2))[0], 0);
  TestCall zeros("DynamicQuantizeLinear", 11, {tensor<float>({2}, {0, 0})}, 3);
  EXPECT_EQ(run<uint8_t>(zeros), (std::vector<double>{0, 0}));
  TestCall empty("DynamicQuantizeLinear", 11, {tensor<float>({0}, {})}, 3);
  EXPECT_EQ(run<uint8_t>(empty), std::vector<double>());
}

}  // namespace
}  // namespace hearth::operators
