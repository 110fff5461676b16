// Reductions along axes, and what is built on them: patterns of axes, empty sets, limits, errors.
#include <cmath>

#include "test_call.h"

namespace hearth::operators {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <class T>
std::vector<double> run(TestCall& call, int i = 0) {
  const auto done = call.run();
  EXPECT_TRUE(done) << done.error().message;
  return done ? doubles<T>(call.out(i)) : std::vector<double>();
}

Tensor counting(const Dims& dims, int64_t modulus = 1 << 20) {
  auto made = Tensor::allocate(DType::F32, dims);
  for (int64_t i = 0; i < made->size(); ++i) made->mutable_data<float>()[i] = static_cast<float>(i % modulus);
  return std::move(*made);
}

// Every set of axes of a tensor of four sizes, against sums formed element by element; sizes beyond a chunk and beyond
// what one thread takes.
TEST(Reduce, EverySetOfAxes) {
  const Dims dims{3, 7, 5, 700};
  const Tensor x = counting(dims, 1000);
  for (int bits = 1; bits < 16; ++bits) {
    std::vector<int64_t> axes;
    for (int d = 0; d < 4; ++d)
      if (bits >> d & 1) axes.push_back(d % 2 == 0 ? d : d - 4);
    TestCall call("ReduceSum", 11, {x});
    const std::vector<double> got = run<float>(call.with("axes", axes).with("keepdims", int64_t{0}));
    std::vector<double> wanted(got.size());
    for (int64_t i = 0; i < x.size(); ++i) {
      int64_t rest = i, at = 0, stride = 1;
      for (int d = 3; d >= 0; --d) {
        const int64_t index = rest % dims[static_cast<size_t>(d)];
        rest /= dims[static_cast<size_t>(d)];
        if (bits >> d & 1) continue;
        at += index * stride;
        stride *= dims[static_cast<size_t>(d)];
      }
      wanted[static_cast<size_t>(at)] += static_cast<double>(i % 1000);
    }
    for (double& sum : wanted) sum = static_cast<float>(sum);  // sums are rounded once, to the type of the output
    EXPECT_EQ(got, wanted) << "axes " << bits;
  }
}

TEST(Reduce, Kinds) {
  const Tensor x = tensor<float>({2, 2}, {-3, 4, 1, -2});
  const auto reduce = [&](std::string_view op) {
    TestCall call(op, 11, {x});
    return run<float>(call.with("axes", {1}).with("keepdims", int64_t{0}));
  };
  EXPECT_EQ(reduce("ReduceL1"), (std::vector<double>{7, 3}));
  EXPECT_EQ(reduce("ReduceL2"), (std::vector<double>{5, static_cast<double>(std::sqrt(5.0f))}));
  EXPECT_EQ(reduce("ReduceMean"), (std::vector<double>{0.5, -0.5}));
  EXPECT_EQ(reduce("ReduceProd"), (std::vector<double>{-12, -2}));
  EXPECT_EQ(reduce("ReduceMax"), (std::vector<double>{4, 1}));
  EXPECT_EQ(reduce("ReduceMin"), (std::vector<double>{-3, -2}));
  EXPECT_EQ(reduce("ReduceSumSquare"), (std::vector<double>{25, 5}));
  EXPECT_NEAR(reduce("ReduceLogSumExp")[0], std::log(std::exp(-3.0) + std::exp(4.0)), 1e-6);
}

TEST(Reduce, LargeNumbersDoNotOverflowInBetween) {
  TestCall exponents("ReduceLogSumExp", 13, {tensor<float>({3}, {1000, 1000, -kInf})});
  EXPECT_NEAR(run<float>(exponents)[0], 1000 + std::log(2.0), 1e-3);
  TestCall nothing("ReduceLogSumExp", 13, {tensor<float>({2}, {-kInf, -kInf})});
  EXPECT_EQ(run<float>(nothing)[0], -INFINITY);
  TestCall halves("ReduceMean", 13, {tensor_of<Half>({3}, {60000, 60000, 60000})});
  EXPECT_EQ(run<Half>(halves)[0], 60000);
  TestCall whole("ReduceSum", 13, {tensor<int32_t>({2}, {INT32_MAX, 1})});
  EXPECT_EQ(run<int32_t>(whole)[0], INT32_MIN);
}

TEST(Reduce, EmptySets) {
  const auto reduce = [](std::string_view op, Tensor x) {
    TestCall call(op, 20, {std::move(x), tensor<int64_t>({1}, {1})});
    const auto done = call.run();
    EXPECT_TRUE(done) << done.error().message;
    EXPECT_EQ(call.out().dims(), (Dims{2, 1}));
    return call.out();
  };
  const Tensor floats = tensor<float>({2, 0}, {});
  EXPECT_EQ(doubles<float>(reduce("ReduceSum", floats))[0], 0);
  EXPECT_EQ(doubles<float>(reduce("ReduceProd", floats))[0], 1);
  EXPECT_EQ(doubles<float>(reduce("ReduceMax", floats))[0], -INFINITY);
  EXPECT_EQ(doubles<float>(reduce("ReduceLogSum", floats))[0], -INFINITY);
  EXPECT_TRUE(std::isnan(doubles<float>(reduce("ReduceMean", floats))[0]));
  EXPECT_EQ(doubles<int8_t>(reduce("ReduceMax", tensor<int8_t>({2, 0}, {})))[1], -128);
  EXPECT_EQ(doubles<uint8_t>(reduce("ReduceMin", tensor<uint8_t>({2, 0}, {})))[1], 255);
  EXPECT_EQ(doubles<bool>(reduce("ReduceMin", tensor<bool>({2, 0}, {})))[1], 1);
}

TEST(Reduce, AxesAsInput) {
  const Tensor x = tensor<float>({2, 2}, {1, 2, 3, 4});
  TestCall all("ReduceSum", 13, {x, tensor<int64_t>({0}, {})});
  EXPECT_EQ(run<float>(all), std::vector<double>{10});
  TestCall none("ReduceSumSquare", 18, {x});
  EXPECT_EQ(run<float>(none.with("noop_with_empty_axes", int64_t{1})), (std::vector<double>{1, 4, 9, 16}));
  TestCall twice("ReduceSum", 13, {x, tensor<int64_t>({2}, {1, -1})});
  EXPECT_EQ(twice.error(), "[ReduceSum] axes; got -1 twice, need each once");
  TestCall outside("ReduceSum", 13, {x, tensor<int64_t>({1}, {INT64_MIN})});
  EXPECT_EQ(outside.error(), fmt::format("[ReduceSum] axis; got {}, need at least -2 and less than 2", INT64_MIN));
  TestCall scalar("ReduceMax", 20, {tensor<bool>({}, {true})});
  EXPECT_EQ(run<bool>(scalar), std::vector<double>{1});
}

TEST(Reduce, NanIsTheLargestAndTheSmallest) {
  std::vector<double> x(100, 1.0);
  x[41] = kNan;
  for (const std::string_view op : {"ReduceMax", "ReduceMin"}) {
    TestCall call(op, 13, {tensor_of<float>({100}, x)});
    EXPECT_TRUE(std::isnan(run<float>(call)[0])) << op;
  }
}

TEST(ArgMax, TiesDirectionsAndLongRows) {
  const Tensor x = tensor<int32_t>({2, 3}, {1, 3, 3, 2, 2, 0});
  TestCall first("ArgMax", 13, {x}), last("ArgMax", 13, {x}), columns("ArgMin", 13, {x});
  EXPECT_EQ(run<int64_t>(first.with("axis", int64_t{-1})), (std::vector<double>{1, 0}));
  EXPECT_EQ(run<int64_t>(last.with("axis", int64_t{1}).with("select_last_index", int64_t{1})),
            (std::vector<double>{2, 1}));
  EXPECT_EQ(run<int64_t>(columns.with("keepdims", int64_t{0})), (std::vector<double>{0, 1, 1}));
  std::vector<double> row(2000, 0.0);
  row[1999] = 5;
  row[700] = kNan;
  TestCall nan("ArgMax", 13, {tensor_of<double>({1, 2000}, row)});
  EXPECT_EQ(run<int64_t>(nan.with("axis", int64_t{1})), std::vector<double>{700});
  row[700] = 0;
  TestCall columns_far("ArgMax", 13, {tensor_of<float>({2, 1000}, row)});
  EXPECT_EQ(run<int64_t>(columns_far)[999], 1);
  TestCall empty("ArgMax", 13, {tensor<float>({0, 2}, {})});
  EXPECT_EQ(empty.error(), "[ArgMax] axis 0 of [0, 2] is empty: there is nothing to choose");
}

// The definition, in double, for any axis.
std::vector<double> softmax_of(const std::vector<double>& x, int64_t outer, int64_t size, int64_t inner) {
  std::vector<double> y(x.size());
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      double sum = 0;
      const auto at = [&](int64_t a) { return static_cast<size_t>((o * size + a) * inner + i); };
      for (int64_t a = 0; a < size; ++a) sum += std::exp(x[at(a)]);
      for (int64_t a = 0; a < size; ++a) y[at(a)] = std::exp(x[at(a)]) / sum;
    }
  return y;
}

TEST(Softmax, AnyAxis) {
  std::vector<double> x;
  for (int i = 0; i < 3 * 5 * 300; ++i) x.push_back(std::sin(i) * 4);
  struct Row {
    int64_t opset, axis, outer, size, inner;
  };
  for (const Row& row : {Row{13, 2, 15, 300, 1}, Row{13, 1, 3, 5, 300}, Row{13, 0, 1, 3, 1500}, Row{11, 1, 3, 1500, 1},
                         Row{11, -1, 15, 300, 1}, Row{11, 0, 1, 4500, 1}}) {
    const std::vector<double> wanted = softmax_of(x, row.outer, row.size, row.inner);
    for (const bool wide : {false, true}) {
      const Tensor in = wide ? tensor_of<double>({3, 5, 300}, x) : tensor_of<float>({3, 5, 300}, x);
      TestCall call("Softmax", row.opset, {in}), logarithm("LogSoftmax", row.opset, {in});
      call.with("axis", row.axis);
      logarithm.with("axis", row.axis);
      const std::vector<double> y = wide ? run<double>(call) : run<float>(call);
      const std::vector<double> l = wide ? run<double>(logarithm) : run<float>(logarithm);
      for (size_t i = 0; i < y.size(); ++i) {
        ASSERT_NEAR(y[i], wanted[i], 1e-6 * wanted[i]) << "axis " << row.axis << " opset " << row.opset;
        ASSERT_NEAR(l[i], std::log(wanted[i]), 2e-6 * std::abs(l[i]) + 1e-6);
      }
    }
  }
}

TEST(Softmax, MaskedElements) {
  TestCall call("Softmax", 13, {tensor<float>({2, 3}, {-kInf, 1000, 1000, -kInf, 0, -kInf})});
  EXPECT_EQ(run<float>(call), (std::vector<double>{0, 0.5, 0.5, 0, 1, 0}));
  TestCall columns("Softmax", 13, {tensor<float>({2, 2}, {-kInf, 5, 3, 5})});
  EXPECT_EQ(run<float>(columns.with("axis", int64_t{0})), (std::vector<double>{0, 0.5, 1, 0.5}));
  TestCall empty("Softmax", 13, {tensor<float>({0, 3}, {})});
  EXPECT_EQ(run<float>(empty), std::vector<double>());
  TestCall axis("Softmax", 13, {tensor<float>({2}, {1, 2})});
  EXPECT_EQ(axis.with("axis", int64_t{1}).error(), "[Softmax] axis; got 1, need at least -1 and less than 1");
}

TEST(Hardmax, FirstOfEquals) {
  const Tensor x = tensor<float>({2, 3}, {1, 5, 5, 7, 0, 7});
  TestCall rows("Hardmax", 13, {x}), columns("Hardmax", 13, {x});
  EXPECT_EQ(run<float>(rows), (std::vector<double>{0, 1, 0, 1, 0, 0}));
  EXPECT_EQ(run<float>(columns.with("axis", int64_t{0})), (std::vector<double>{0, 1, 0, 1, 0, 1}));
}

TEST(Cumulative, LongRowsBothWays) {
  constexpr int64_t kCount = 1300;
  const std::vector<double> ones(kCount, 1.0);
  for (const bool reverse : {false, true})
    for (const bool exclusive : {false, true}) {
      TestCall row("CumSum", 14, {tensor_of<float>({1, kCount}, ones), tensor<int32_t>({}, {-1})});
      row.with("reverse", int64_t{reverse}).with("exclusive", int64_t{exclusive});
      TestCall column("CumSum", 14, {tensor_of<int64_t>({kCount / 2, 2}, ones), tensor<int64_t>({}, {0})});
      column.with("reverse", int64_t{reverse}).with("exclusive", int64_t{exclusive});
      const std::vector<double> r = run<float>(row), c = run<int64_t>(column);
      for (int64_t i = 0; i < kCount; ++i) {
        const int64_t steps = reverse ? kCount - i : i + 1, half = reverse ? kCount / 2 - i / 2 : i / 2 + 1;
        ASSERT_EQ(r[static_cast<size_t>(i)], static_cast<double>(steps - (exclusive ? 1 : 0)));
        ASSERT_EQ(c[static_cast<size_t>(i)], static_cast<double>(half - (exclusive ? 1 : 0)));
      }
    }
  TestCall product("CumProd", 26, {tensor<int32_t>({4}, {1, 2, 3, 4}), tensor<int64_t>({}, {0})});
  EXPECT_EQ(run<int32_t>(product.with("exclusive", int64_t{1})), (std::vector<double>{1, 1, 2, 6}));
  TestCall axis("CumSum", 14, {tensor<float>({1}, {1}), tensor<int64_t>({}, {3})});
  EXPECT_EQ(axis.error(), "[CumSum] axis; got 3, need at least -1 and less than 1");
}

TEST(TopK, OrderTiesAndDirections) {
  const Tensor x = tensor<float>({6}, {2, kNan, 7, 2, -kInf, 7});
  TestCall largest("TopK", 11, {x, tensor<int64_t>({1}, {4})}, 2);
  ASSERT_TRUE(largest.run());
  EXPECT_EQ(doubles<int64_t>(largest.out(1)), (std::vector<double>{1, 2, 5, 0}));
  TestCall smallest("TopK", 11, {x, tensor<int64_t>({1}, {3})}, 2);
  EXPECT_EQ(run<int64_t>(smallest.with("largest", int64_t{0}), 1), (std::vector<double>{4, 0, 3}));
  // Few of many take another way than many of many.
  std::vector<double> many;
  for (int i = 0; i < 1000; ++i) many.push_back(i * 7 % 1000);
  for (const int64_t k : {int64_t{3}, int64_t{500}, int64_t{1000}}) {
    TestCall call("TopK", 24, {tensor_of<double>({1000}, many), tensor<int64_t>({1}, {k})}, 2);
    const std::vector<double> got = run<double>(call);
    for (int64_t i = 0; i < k; ++i) ASSERT_EQ(got[static_cast<size_t>(i)], static_cast<double>(999 - i)) << k;
  }
  TestCall column("TopK", 10, {tensor<float>({2, 2}, {1, 4, 3, 2}), tensor<int64_t>({1}, {1})}, 2);
  EXPECT_EQ(run<float>(column.with("axis", int64_t{0})), (std::vector<double>{3, 4}));
  TestCall old("TopK", 1, {tensor<float>({3}, {1, 4, 3})}, 2);
  EXPECT_EQ(run<float>(old.with("k", int64_t{2})), (std::vector<double>{4, 3}));
  for (const int64_t k : {int64_t{7}, int64_t{-1}, INT64_MAX}) {
    TestCall call("TopK", 11, {x, tensor<int64_t>({1}, {k})}, 2);
    EXPECT_EQ(call.error(), fmt::format("[TopK] k; got {}, need 0 to 6 (axis 0 of [6])", k));
  }
}

TEST(LayerNormalization, ScalesOfEverySize) {
  const Tensor x = tensor<float>({3, 3}, {1, 2, 3, 2, 4, 6, -1, 0, 1});
  TestCall row("LayerNormalization", 17, {x, tensor<float>({3}, {1, 2, 3}), tensor<float>({3}, {0, 0, 1})}, 3);
  const std::vector<double> y = run<float>(row);
  EXPECT_NEAR(y[0], -std::sqrt(1.5), 1e-4);
  EXPECT_NEAR(y[1], 0, 1e-6);
  EXPECT_NEAR(y[2], 3 * std::sqrt(1.5) + 1, 1e-4);
  EXPECT_EQ(row.out(1).dims(), (Dims{3, 1}));
  EXPECT_EQ(doubles<float>(row.out(1)), (std::vector<double>{2, 4, 0}));
  // As long as a row, but a column: one factor for each row.
  TestCall column("LayerNormalization", 17, {x, tensor<float>({3, 1}, {1, 10, 100})});
  const std::vector<double> z = run<float>(column);
  EXPECT_NEAR(z[2], std::sqrt(1.5), 1e-4);
  EXPECT_NEAR(z[5], 10 * std::sqrt(1.5), 1e-3);
  EXPECT_NEAR(z[8], 100 * std::sqrt(1.5), 1e-2);
  TestCall wrong("LayerNormalization", 17, {x, tensor<float>({2}, {1, 1})});
  EXPECT_EQ(wrong.error(), "[LayerNormalization] input 1; got [2], need what broadcasts to [3, 3]");
  TestCall empty("LayerNormalization", 17, {tensor<float>({2, 0}, {}), tensor<float>({}, {1})}, 2);
  ASSERT_TRUE(empty.run());
  EXPECT_TRUE(std::isnan(values<float>(empty.out(1))[1]));
}

TEST(RMSNormalization, HalvesComputeInFloat) {
  TestCall call("RMSNormalization", 23, {tensor_of<Half>({1, 2}, {30000, 40000}), tensor_of<Half>({2}, {1, 1})});
  const std::vector<double> y = run<Half>(call);
  EXPECT_NEAR(y[0], 30000 / std::sqrt(1.25e9), 1e-3);
  EXPECT_NEAR(y[1], 40000 / std::sqrt(1.25e9), 1e-3);
}

TEST(BatchNormalization, TrainingUpdatesTheRunningStatistics) {
  TestCall call("BatchNormalization", 15,
                {tensor<float>({2, 1, 2}, {1, 3, 5, 7}), tensor<float>({1}, {2}), tensor<float>({1}, {1}),
                 tensor<float>({1}, {10}), tensor<float>({1}, {20})},
                3);
  call.with("training_mode", int64_t{1}).with("momentum", 0.5f).with("epsilon", 0.0f);
  const std::vector<double> y = run<float>(call);
  EXPECT_NEAR(y[0], 1 - 2 * 3 / std::sqrt(5.0), 1e-5);
  EXPECT_NEAR(doubles<float>(call.out(1))[0], 7, 1e-6);
  EXPECT_NEAR(doubles<float>(call.out(2))[0], 12.5, 1e-6);
  TestCall outputs("BatchNormalization", 15,
                   {tensor<float>({1, 1}, {1}), tensor<float>({1}, {1}), tensor<float>({1}, {0}),
                    tensor<float>({1}, {0}), tensor<float>({1}, {1})},
                   2);
  EXPECT_EQ(outputs.error(), "[BatchNormalization] outputs besides Y need training_mode = 1");
}

TEST(GroupNormalization, FactorsAGroupOrAChannel) {
  const Tensor x = tensor<float>({1, 4, 1}, {1, 3, 10, 30});
  TestCall groups("GroupNormalization", 18, {x, tensor<float>({2}, {1, 2}), tensor<float>({2}, {0, 5})});
  const std::vector<double> g = run<float>(groups.with("num_groups", int64_t{2}));
  EXPECT_NEAR(g[0], -1, 1e-4);
  EXPECT_NEAR(g[3], 7, 1e-4);
  TestCall channels("GroupNormalization", 21, {x, tensor<float>({4}, {1, 2, 3, 4}), tensor<float>({4}, {0, 0, 0, 0})});
  const std::vector<double> c = run<float>(channels.with("num_groups", int64_t{2}));
  EXPECT_NEAR(c[1], 2, 1e-4);
  EXPECT_NEAR(c[2], -3, 1e-4);
  TestCall odd("GroupNormalization", 21, {x, tensor<float>({4}, {1, 2, 3, 4}), tensor<float>({4}, {0, 0, 0, 0})});
  EXPECT_EQ(odd.with("num_groups", int64_t{3}).error(),
            "[GroupNormalization] num_groups; got 3, need a divisor of 4 channels");
}

TEST(Lrn, WindowsAtTheEdges) {
  TestCall call("LRN", 13, {tensor<float>({1, 4, 1}, {1, 2, 3, 4})});
  call.with("size", int64_t{2}).with("alpha", 2.0f).with("beta", 1.0f).with("bias", 1.0f);
  const std::vector<double> y = run<float>(call);  // a window of two: the channel and the one behind it
  EXPECT_NEAR(y[0], 1.0 / (1 + 5), 1e-6);
  EXPECT_NEAR(y[3], 4.0 / (1 + 16), 1e-6);
}

TEST(Losses, IgnoredAndWeighed) {
  const Tensor scores = tensor<float>({2, 3}, {0, 0, 0, 1, 2, 3});
  TestCall none("SoftmaxCrossEntropyLoss", 13, {scores, tensor<int64_t>({2}, {-7, 2}), tensor<float>({3}, {1, 1, 4})},
                2);
  const std::vector<double> y =
      run<float>(none.with("ignore_index", int64_t{-7}).with("reduction", std::string("none")));
  const double log_probability = -std::log(1 + std::exp(-1.0) + std::exp(-2.0));
  EXPECT_EQ(y[0], 0);
  EXPECT_NEAR(y[1], -4 * log_probability, 1e-5);
  EXPECT_NEAR(doubles<float>(none.out(1))[5], log_probability, 1e-6);
  TestCall mean("NegativeLogLikelihoodLoss", 13, {scores, tensor<int32_t>({2}, {1, 0}), tensor<float>({3}, {1, 3, 1})});
  EXPECT_NEAR(run<float>(mean)[0], -0.25, 1e-6);
  TestCall label("NegativeLogLikelihoodLoss", 13, {scores, tensor<int64_t>({2}, {0, 3})});
  EXPECT_EQ(label.error(), "[NegativeLogLikelihoodLoss] label; got 3, need 0 to 2");
}

// Sizes beside a zero may be absurd: nothing may be reserved or walked for them.
TEST(Reduction, EmptyTensorsOfHugeSizes) {
  const int64_t huge = int64_t{1} << 38;
  const Tensor x = Tensor::borrow(nullptr, DType::F32, {0, 2, huge}, nullptr);
  for (const std::string_view op : {"Softmax", "LogSoftmax", "Hardmax", "LpNormalization", "LRN"}) {
    TestCall call(op, 13, {x});
    call.with("size", int64_t{3});
    EXPECT_TRUE(call.run()) << op << ": " << call.error();
  }
  TestCall sums("CumSum", 14, {x, tensor<int64_t>({}, {1})});
  EXPECT_TRUE(sums.run());
  TestCall top("TopK", 11, {x, tensor<int64_t>({1}, {2})}, 2);
  EXPECT_TRUE(top.run()) << top.error();
  TestCall arg("ArgMax", 13, {x});
  EXPECT_TRUE(arg.with("axis", int64_t{1}).run()) << arg.error();
  const Tensor ones = tensor<float>({2}, {1, 1});
  TestCall instance("InstanceNormalization", 6, {x, ones, ones});
  EXPECT_TRUE(instance.run());
}

}  // namespace
}  // namespace hearth::operators
