#include <limits>

#include "matrix_reference.h"

namespace hearth::operators {
namespace {

std::vector<double> reference_product(const std::vector<double>& a, const std::vector<double>& b, int64_t rows,
                                      int64_t depth, int64_t columns) {
  std::vector<double> y(static_cast<size_t>(rows * columns), 0);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t p = 0; p < depth; ++p)
        y[static_cast<size_t>(i * columns + j)] +=
            a[static_cast<size_t>(i * depth + p)] * b[static_cast<size_t>(p * columns + j)];
  return y;
}

template <class T>
class MatMulTypes : public testing::Test {};
using Types = testing::Types<float, double, Half, BFloat16, int32_t, int64_t, uint32_t, uint64_t>;
TYPED_TEST_SUITE(MatMulTypes, Types);

// Every path: a row, a column, few rows, whole panels, ragged ones, more than one block of depth, width and height.
TYPED_TEST(MatMulTypes, EverySizeClassAgreesWithPlainLoops) {
  struct Size {
    int64_t rows, depth, columns;
  };
  for (const auto& [rows, depth, columns] : {Size{1, 7, 300}, Size{300, 7, 1}, Size{1, 600, 1}, Size{3, 5, 9},
                                             Size{4, 8, 8}, Size{13, 17, 19}, Size{70, 300, 131}, Size{2, 1, 2}}) {
    const auto a = random_tensor<TypeParam>({rows, depth}, 1, 1), b = random_tensor<TypeParam>({depth, columns}, 2, 1);
    TestCall call("MatMul", 13, {a, b});
    ASSERT_EQ(call.error(), "");
    ASSERT_EQ(call.out().dims(), (Dims{rows, columns}));
    // Sums of ones and minus ones stay exact in every type but bfloat16, whose result rounds once.
    const auto want = reference_product(doubles<TypeParam>(a), doubles<TypeParam>(b), rows, depth, columns);
    if constexpr (std::is_unsigned_v<TypeParam> || std::is_same_v<TypeParam, BFloat16>)
      expect_near(doubles<TypeParam>(call.out()), want, 0.004);
    else
      EXPECT_EQ(doubles<TypeParam>(call.out()), want) << rows << " " << depth << " " << columns;
  }
}

TEST(MatMul, HalfAccumulatesInFloat) {
  // 4,096 ones: a float16 sum would stop at 2,048.
  const std::vector<double> ones(4096, 1);
  TestCall call("MatMul", 13, {tensor_of<Half>({1, 4096}, ones), tensor_of<Half>({4096, 1}, ones)});
  ASSERT_EQ(call.error(), "");
  EXPECT_EQ(doubles<Half>(call.out()), std::vector<double>{4096});
}

TEST(MatMul, IntegersAreExactAndWrap) {
  const int64_t big = (int64_t{1} << 53) + 1;
  TestCall call("MatMul", 13, {tensor<int64_t>({1, 2}, {big, 2}), tensor<int64_t>({2, 1}, {1, 3})});
  ASSERT_EQ(call.error(), "");
  EXPECT_EQ(values<int64_t>(call.out()), std::vector<int64_t>{big + 6});
  TestCall wrapping("MatMul", 13, {tensor<int32_t>({1, 1}, {1 << 30}), tensor<int32_t>({1, 1}, {4})});
  ASSERT_EQ(wrapping.error(), "");
  EXPECT_EQ(values<int32_t>(wrapping.out()), std::vector<int32_t>{0});
}

TEST(MatMul, StacksBroadcastOnBothSides) {
  const auto a = random_tensor<float>({2, 1, 3, 4}, 1), b = random_tensor<float>({5, 4, 2}, 2);
  TestCall call("MatMul", 13, {a, b});
  ASSERT_EQ(call.error(), "");
  ASSERT_EQ(call.out().dims(), (Dims{2, 5, 3, 2}));
  const auto x = doubles<float>(a), y = doubles<float>(b), got = doubles<float>(call.out());
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 5; ++j) {
      const std::vector<double> left(x.begin() + i * 12, x.begin() + (i + 1) * 12);
      const std::vector<double> right(y.begin() + j * 8, y.begin() + (j + 1) * 8);
      const std::vector<double> part(got.begin() + (i * 5 + j) * 6, got.begin() + (i * 5 + j + 1) * 6);
      EXPECT_EQ(part, reference_product(left, right, 3, 4, 2)) << i << " " << j;
    }
}

TEST(MatMul, VectorsDropTheirDimension) {
  TestCall dot("MatMul", 13, {tensor<float>({3}, {1, 2, 3}), tensor<float>({3}, {4, 5, 6})});
  ASSERT_EQ(dot.error(), "");
  EXPECT_EQ(dot.out().dims(), Dims());
  EXPECT_EQ(values<float>(dot.out()), std::vector<float>{32});
  TestCall row("MatMul", 13, {tensor<float>({2}, {1, 2}), random_tensor<float>({3, 2, 4}, 1)});
  ASSERT_EQ(row.error(), "");
  EXPECT_EQ(row.out().dims(), (Dims{3, 4}));
  TestCall column("MatMul", 13, {random_tensor<float>({3, 4, 2}, 1), tensor<float>({2}, {1, 2})});
  ASSERT_EQ(column.error(), "");
  EXPECT_EQ(column.out().dims(), (Dims{3, 4}));
}

TEST(MatMul, EmptySizes) {
  TestCall deep("MatMul", 13, {tensor<float>({2, 0}, {}), tensor<float>({0, 3}, {})});
  ASSERT_EQ(deep.error(), "");
  EXPECT_EQ(values<float>(deep.out()), std::vector<float>(6, 0));
  TestCall none("MatMul", 13, {tensor<float>({0, 2}, {}), random_tensor<float>({2, 3}, 1)});
  ASSERT_EQ(none.error(), "");
  EXPECT_EQ(none.out().dims(), (Dims{0, 3}));
  TestCall stack("MatMul", 13, {tensor<float>({0, 2, 2}, {}), random_tensor<float>({2, 3}, 1)});
  ASSERT_EQ(stack.error(), "");
  EXPECT_EQ(stack.out().dims(), (Dims{0, 2, 3}));
}

TEST(MatMul, InfinityMeetsZero) {
  const float inf = std::numeric_limits<float>::infinity();
  const auto a = random_tensor<float>({5, 9}, 1);
  std::vector<float> b(9 * 9, 0);
  b[0] = inf;
  TestCall call("MatMul", 13, {tensor<float>({1, 2}, {0, 1}), tensor<float>({2, 1}, {inf, 1})});
  ASSERT_EQ(call.error(), "");
  EXPECT_TRUE(std::isnan(values<float>(call.out())[0]));
  // Only the column that has the infinity sees it, also where edges are padded.
  TestCall panels("MatMul", 13, {a, Tensor::of<float>(DType::F32, {9, 9}, b)});
  ASSERT_EQ(panels.error(), "");
  const auto y = values<float>(panels.out());
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isfinite(y[i]), i % 9 != 0) << i;
}

TEST(MatMul, ConstantFactorGivesTheSame) {
  const auto a = random_tensor<float>({2, 3, 300}, 1), b = random_tensor<float>({300, 37}, 2);
  TestCall plain("MatMul", 13, {a, b}), prepared("MatMul", 13, {a, b});
  prepared.constant(1);
  ASSERT_EQ(plain.error(), "");
  ASSERT_EQ(prepared.error(), "");
  EXPECT_EQ(values<float>(plain.out()), values<float>(prepared.out()));
}

TEST(MatMul, RefusesWhatDoesNotFit) {
  TestCall depth("MatMul", 13, {random_tensor<float>({2, 3}, 1), random_tensor<float>({2, 3}, 1)});
  EXPECT_EQ(depth.error(), "[MatMul] operands; got [2, 3] times [2, 3], need equal inner sizes");
  TestCall stacks("MatMul", 13, {random_tensor<float>({2, 3, 3}, 1), random_tensor<float>({4, 3, 3}, 1)});
  EXPECT_NE(stacks.error().find("leading sizes that are equal or 1"), std::string::npos);
  TestCall scalar("MatMul", 13, {tensor<float>({}, {1}), random_tensor<float>({1, 1}, 1)});
  EXPECT_NE(scalar.error().find("need at least one dimension"), std::string::npos);
  // A small model that asks for an enormous result.
  const Tensor tall = Tensor::borrow(nullptr, DType::F32, {1 << 30, 0}, nullptr);
  const Tensor wide = Tensor::borrow(nullptr, DType::F32, {0, 1 << 30}, nullptr);
  TestCall huge("MatMul", 13, {tall, wide});
  const auto refused = huge.run();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::Limit);
}

TEST(Gemm, TransposesScalesAndBias) {
  const auto a = random_tensor<float>({3, 5}, 1), b = random_tensor<float>({4, 3}, 2),
             c = random_tensor<float>({5, 1}, 3);
  TestCall call("Gemm", 13, {a, b, c});
  call.with("transA", int64_t{1}).with("transB", int64_t{1}).with("alpha", 0.5f).with("beta", 2.0f);
  ASSERT_EQ(call.error(), "");
  ASSERT_EQ(call.out().dims(), (Dims{5, 4}));
  const auto x = doubles<float>(a), y = doubles<float>(b), bias = doubles<float>(c);
  std::vector<double> want;
  for (size_t i = 0; i < 5; ++i)
    for (size_t j = 0; j < 4; ++j) {
      double sum = 0;
      for (size_t p = 0; p < 3; ++p) sum += x[p * 5 + i] * y[j * 3 + p];
      want.push_back(sum / 2 + 2 * bias[i]);
    }
  EXPECT_EQ(doubles<float>(call.out()), want);
  TestCall prepared("Gemm", 13, {a, b, c});
  prepared.with("transA", int64_t{1}).with("transB", int64_t{1}).with("alpha", 0.5f).with("beta", 2.0f).constant(1);
  ASSERT_EQ(prepared.error(), "");
  EXPECT_EQ(doubles<float>(prepared.out()), want);
}

TEST(Gemm, BetaZeroForgetsTheBias) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  TestCall call("Gemm", 13, {tensor<float>({1, 1}, {2}), tensor<float>({1, 1}, {3}), tensor<float>({}, {nan})});
  call.with("beta", 0.0f);
  ASSERT_EQ(call.error(), "");
  EXPECT_EQ(values<float>(call.out()), std::vector<float>{6});
}

TEST(Gemm, IntegersScaleByWholeAndOtherNumbers) {
  const std::vector<Value> inputs{tensor<int32_t>({1, 1}, {7}), tensor<int32_t>({1, 1}, {-3}),
                                  tensor<int32_t>({1}, {5})};
  TestCall whole("Gemm", 11, inputs);
  whole.with("alpha", 2.0f).with("beta", -1.0f);
  ASSERT_EQ(whole.error(), "");
  EXPECT_EQ(values<int32_t>(whole.out()), std::vector<int32_t>{-47});
  TestCall fraction("Gemm", 11, inputs);
  fraction.with("alpha", 0.5f).with("beta", 0.5f);
  ASSERT_EQ(fraction.error(), "");
  EXPECT_EQ(values<int32_t>(fraction.out()), std::vector<int32_t>{-10 + 2});
}

TEST(Gemm, RefusesABiasThatDoesNotBroadcast) {
  TestCall call("Gemm", 13,
                {random_tensor<float>({2, 3}, 1), random_tensor<float>({3, 4}, 1), random_tensor<float>({3}, 1)});
  EXPECT_EQ(call.error(), "[Gemm] C; got [3], need sizes that broadcast to [2, 4]");
}

TEST(MatMulInteger, ZeroPointsByRowAndColumn) {
  const auto a = tensor<uint8_t>({2, 2}, {1, 2, 3, 4});
  const auto b = tensor<int8_t>({2, 2}, {-1, 0, 1, 127});
  TestCall call("MatMulInteger", 10, {a, b, tensor<uint8_t>({2}, {1, 2}), tensor<int8_t>({2}, {-1, 1})});
  ASSERT_EQ(call.error(), "");
  // Rows [0, 1] and [1, 2]; columns [0, 2] and [-1, 126].
  EXPECT_EQ(values<int32_t>(call.out()), (std::vector<int32_t>{2, 126, 4, 251}));
  TestCall full("MatMulInteger", 10, {tensor<uint8_t>({2, 1, 2}, {1, 2, 3, 4}), b, tensor<uint8_t>({2, 1, 1}, {1, 2})});
  ASSERT_EQ(full.error(), "");
  EXPECT_EQ(values<int32_t>(full.out()), (std::vector<int32_t>{1, 127, 1, 254}));
  TestCall wrong("MatMulInteger", 10, {a, b, tensor<uint8_t>({3}, {1, 2, 3})});
  EXPECT_NE(wrong.error().find("scale or zero point, input 2; got [3]"), std::string::npos);
}

TEST(QLinearMatMul, RoundsTiesToEvenAndSaturates) {
  const auto scale = [](float value) { return tensor<float>({}, {value}); };
  // Sums 1, 3, 5, 1000 halved: 0.5, 1.5, 2.5, 500; zero point 1 is added after rounding.
  TestCall call(
      "QLinearMatMul", 10,
      {tensor<uint8_t>({4, 1}, {1, 3, 5, 250}), scale(1), tensor<uint8_t>({}, {0}), tensor<int8_t>({1, 1}, {4}),
       scale(0.125f), tensor<int8_t>({}, {0}), scale(1), tensor<int8_t>({}, {1})});
  ASSERT_EQ(call.error(), "");
  EXPECT_EQ(values<int8_t>(call.out()), (std::vector<int8_t>{1, 3, 3, 126}));
  TestCall low("QLinearMatMul", 10,
               {tensor<uint8_t>({1, 1}, {250}), scale(1), tensor<uint8_t>({}, {0}), tensor<int8_t>({1, 1}, {-100}),
                scale(1), tensor<int8_t>({}, {0}), scale(1), tensor<uint8_t>({}, {9})});
  ASSERT_EQ(low.error(), "");
  EXPECT_EQ(values<uint8_t>(low.out()), std::vector<uint8_t>{0});
}

TEST(QLinearMatMul, SmallFloatsAndScalesByRowAndColumn) {
  TestCall call(
      "QLinearMatMul", 21,
      {tensor_of<F8E4M3FN>({2, 2}, {1, 2, 3, 4}), tensor_of<Half>({2}, {1, 0.5}), tensor_of<F8E4M3FN>({2}, {0, 1}),
       tensor_of<F8E4M3FN>({2, 2}, {1, 0, 0, 2}), tensor_of<Half>({2}, {1, 2}), tensor_of<F8E4M3FN>({2}, {0, 0}),
       tensor_of<Half>({}, {2}), tensor_of<F8E4M3FN>({}, {0})});
  ASSERT_EQ(call.error(), "");
  // Products [[1, 4], [2, 6]]; multipliers [[0.5, 1], [0.25, 0.5]].
  EXPECT_EQ(doubles<F8E4M3FN>(call.out()), (std::vector<double>{0.5, 4, 0.5, 3}));
}

TEST(Det, StacksAndSingularMatrices) {
  TestCall call("Det", 11, {tensor<float>({2, 2, 2}, {1, 2, 3, 4, 1, 2, 2, 4})});
  ASSERT_EQ(call.error(), "");
  EXPECT_EQ(call.out().dims(), Dims{2});
  expect_near(doubles<float>(call.out()), {-2, 0}, 1e-6);
  TestCall empty("Det", 11, {tensor<float>({0, 0}, {})});
  ASSERT_EQ(empty.error(), "");
  EXPECT_EQ(values<float>(empty.out()), std::vector<float>{1});
  TestCall oblong("Det", 11, {random_tensor<float>({2, 3}, 1)});
  EXPECT_EQ(oblong.error(), "[Det] input; got [2, 3], need a stack of square matrices");
}

Tensor einsum(std::string_view equation, std::vector<Value> operands) {
  TestCall call("Einsum", 12, std::move(operands));
  call.with("equation", std::string(equation));
  EXPECT_EQ(call.error(), "") << equation;
  return call.out();
}

TEST(Einsum, DiagonalsSumsAndOrders) {
  const auto m = tensor<float>({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(values<float>(einsum("ii->i", {m})), (std::vector<float>{1, 4}));
  EXPECT_EQ(values<float>(einsum("ii", {m})), std::vector<float>{5});
  EXPECT_EQ(values<float>(einsum("ij->ji", {m})), (std::vector<float>{1, 3, 2, 4}));
  EXPECT_EQ(values<float>(einsum("ba", {m})), (std::vector<float>{1, 3, 2, 4}));  // implicit: alphabetical
  EXPECT_EQ(values<float>(einsum("ij -> ", {m})), std::vector<float>{10});
  EXPECT_EQ(values<float>(einsum("ij->j", {m})), (std::vector<float>{4, 6}));
  EXPECT_EQ(values<float>(einsum(" i , i ", {tensor<float>({2}, {1, 2}), tensor<float>({2}, {3, 4})})),
            std::vector<float>{11});
}

TEST(Einsum, EllipsesBroadcast) {
  const auto a = random_tensor<double>({3, 1, 2, 4}, 1), b = random_tensor<double>({5, 4, 6}, 2);
  const Tensor y = einsum("...ij,...jk->...ik", {a, b});
  ASSERT_EQ(y.dims(), (Dims{3, 5, 2, 6}));
  TestCall matmul("MatMul", 13, {a, b});
  ASSERT_EQ(matmul.error(), "");
  EXPECT_EQ(values<double>(y), values<double>(matmul.out()));
  EXPECT_EQ(einsum("...i->i...", {a}).dims(), (Dims{4, 3, 1, 2}));
  EXPECT_EQ(einsum("i...", {random_tensor<double>({2, 3, 4}, 1)}).dims(), (Dims{3, 4, 2}));
}

TEST(Einsum, ManyOperandsOfEveryType) {
  const auto check = [&]<class T>() {
    const auto a = random_tensor<T>({2, 3}, 1, 2), b = random_tensor<T>({3, 4}, 2, 2),
               c = random_tensor<T>({4, 2}, 3, 2), d = random_tensor<T>({3}, 4, 2);
    const Tensor y = einsum("ij,jk,ki,j->ki", {a, b, c, d});
    ASSERT_EQ(y.dims(), (Dims{4, 2}));
    const auto da = doubles<T>(a), db = doubles<T>(b), dc = doubles<T>(c), dd = doubles<T>(d);
    std::vector<double> want;
    for (size_t k = 0; k < 4; ++k)
      for (size_t i = 0; i < 2; ++i) {
        double sum = 0;
        for (size_t j = 0; j < 3; ++j) sum += da[i * 3 + j] * db[j * 4 + k] * dc[k * 2 + i] * dd[j];
        want.push_back(sum);
      }
    EXPECT_EQ(doubles<T>(y), want);
  };
  check.operator()<float>();
  check.operator()<double>();
  check.operator()<Half>();
  check.operator()<int8_t>();
  check.operator()<int16_t>();
  check.operator()<int64_t>();
}

TEST(Einsum, UnsignedBytesWrap) {
  EXPECT_EQ(values<uint8_t>(einsum("i,i->", {tensor<uint8_t>({2}, {200, 1}), tensor<uint8_t>({2}, {2, 3})})),
            std::vector<uint8_t>{static_cast<uint8_t>(403)});
}

TEST(Einsum, SumsOverNothing) {
  const auto empty = tensor<float>({0, 3}, {});
  EXPECT_EQ(values<float>(einsum("ij->j", {empty})), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(einsum("ij->i", {empty}).dims(), Dims{0});
  EXPECT_EQ(values<float>(einsum("ij,ik->jk", {empty, tensor<float>({0, 1}, {})})), (std::vector<float>{0, 0, 0}));
}

TEST(Einsum, RefusesWhatBreaksTheGrammar) {
  const auto error = [](std::string equation, std::vector<Value> operands) {
    TestCall call("Einsum", 12, std::move(operands));
    call.with("equation", std::move(equation));
    return call.error();
  };
  const auto m = random_tensor<float>({2, 3}, 1);
  for (const char* equation :
       {"ij->k", "ij->ii", "i->i", "ijk->i", "ij,jk->ik", "i.j->i", "......ij->i", "i1->i", "", "ij->i->j", "ii->i"})
    EXPECT_NE(error(equation, {m}), "") << equation;
  EXPECT_EQ(error("ij,jk->ik", {m, m}), "[Einsum] equation 'ij,jk->ik'; one index has sizes 3 and 2");
}

}  // namespace
}  // namespace hearth::operators
