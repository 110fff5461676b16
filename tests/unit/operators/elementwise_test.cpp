// Arithmetic, functions, logic: what the suite's cases do not show (limits, errors, rounding, odd sizes).
#include <cmath>

#include "test_call.h"

namespace hearth::operators {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <class T>
std::vector<T> run(TestCall& call) {
  const auto done = call.run();
  EXPECT_TRUE(done) << done.error().message;
  return done ? values<T>(call.out()) : std::vector<T>();
}
template <class T>
std::vector<T> binary(std::string_view op, Tensor a, Tensor b, int64_t opset = 21) {
  TestCall call(op, opset, {std::move(a), std::move(b)});
  return run<T>(call);
}
template <class T>
std::vector<T> unary(std::string_view op, Tensor x, int64_t opset = 21) {
  TestCall call(op, opset, {std::move(x)});
  return run<T>(call);
}
// Of float tensors, NaN compared by its text.
std::string text(const std::vector<float>& values) {
  return fmt::format("{}", fmt::join(values, " "));
}

TEST(Arithmetic, BroadcastsBothSides) {
  const Tensor column = tensor<float>({2, 1}, {10, 20}), row = tensor<float>({3}, {1, 2, 3});
  EXPECT_EQ(binary<float>("Sub", column, row), (std::vector<float>{9, 8, 7, 19, 18, 17}));
  EXPECT_EQ(binary<float>("Sub", row, column), (std::vector<float>{-9, -8, -7, -19, -18, -17}));
  EXPECT_EQ(binary<int64_t>("Mul", tensor<int64_t>({}, {3}), tensor<int64_t>({2}, {4, 5})),
            (std::vector<int64_t>{12, 15}));
  TestCall empty("Add", 14, {tensor<float>({0, 3}, {}), row});
  ASSERT_TRUE(empty.run());
  EXPECT_EQ(empty.out().dims(), (Dims{0, 3}));
}

TEST(Arithmetic, IntegersWrap) {
  EXPECT_EQ(binary<int8_t>("Add", tensor<int8_t>({2}, {127, -128}), tensor<int8_t>({2}, {1, -1})),
            (std::vector<int8_t>{-128, 127}));
  EXPECT_EQ(binary<uint16_t>("Mul", tensor<uint16_t>({1}, {65535}), tensor<uint16_t>({1}, {65535})),
            (std::vector<uint16_t>{1}));
  EXPECT_EQ(binary<int64_t>("Sub", tensor<int64_t>({1}, {INT64_MIN}), tensor<int64_t>({1}, {1})),
            (std::vector<int64_t>{INT64_MAX}));
  EXPECT_EQ(binary<uint32_t>("Sub", tensor<uint32_t>({1}, {0}), tensor<uint32_t>({1}, {1})),
            (std::vector<uint32_t>{UINT32_MAX}));
}

TEST(Arithmetic, NarrowFloatsRoundOnce) {
  EXPECT_EQ(binary<Half>("Add", tensor_of<Half>({1}, {2048}), tensor_of<Half>({1}, {1}))[0].bits, Half(2048.0f).bits);
  TestCall sum("Sum", 13, {tensor_of<Half>({1}, {2048}), tensor_of<Half>({1}, {1}), tensor_of<Half>({1}, {1})});
  EXPECT_EQ(run<Half>(sum)[0].bits, Half(2050.0f).bits);
}

TEST(Arithmetic, DivisionOfIntegers) {
  EXPECT_EQ(binary<int32_t>("Div", tensor<int32_t>({4}, {-7, 7, INT32_MIN, 6}), tensor<int32_t>({4}, {2, -2, -1, 3})),
            (std::vector<int32_t>{-3, -3, INT32_MIN, 2}));
  TestCall zero("Div", 14, {tensor<int32_t>({2}, {1, 2}), tensor<int32_t>({2}, {1, 0})});
  EXPECT_EQ(zero.named("d").error(), "[Div 'd'] integer divisor; got 0 at element 1, need another number");
  EXPECT_EQ(text(binary<float>("Div", tensor<float>({2}, {1, 0}), tensor<float>({1}, {0}))), "inf -nan");
}

TEST(Arithmetic, Mod) {
  const Tensor a = tensor<int32_t>({4}, {-7, 7, -7, INT32_MIN}), b = tensor<int32_t>({4}, {3, -3, -3, -1});
  EXPECT_EQ(binary<int32_t>("Mod", a, b), (std::vector<int32_t>{2, -2, -1, 0}));
  TestCall truncated("Mod", 13, {a, b});
  EXPECT_EQ(run<int32_t>(truncated.with("fmod", int64_t{1})), (std::vector<int32_t>{-1, 1, -1, 0}));
  TestCall floats("Mod", 13, {tensor<float>({3}, {-4.5f, 4.5f, 5}), tensor<float>({3}, {2, -2, kInf})});
  EXPECT_EQ(run<float>(floats.with("fmod", int64_t{1})), (std::vector<float>{-0.5f, 0.5f, 5}));
  TestCall odd("Mod", 13, {a, b});
  EXPECT_EQ(odd.with("fmod", int64_t{2}).error(), "[Mod] fmod; got 2, need 0 or 1");
}

TEST(Arithmetic, BeforeOpset7AnAxisSaysWhereSizesStand) {
  const Tensor a = tensor<float>({2, 2, 2}, {0, 0, 0, 0, 0, 0, 0, 0}), b = tensor<float>({2}, {1, 2});
  TestCall middle("Add", 6, {a, b});
  EXPECT_EQ(run<float>(middle.with("broadcast", int64_t{1}).with("axis", int64_t{1})),
            (std::vector<float>{1, 1, 2, 2, 1, 1, 2, 2}));
  TestCall none("Add", 6, {a, b});
  EXPECT_EQ(none.error(), "[Add] sizes of the inputs; got [2, 2, 2] and [2], need the same (broadcast is 0)");
  TestCall outside("Add", 6, {a, a});
  EXPECT_EQ(outside.with("broadcast", int64_t{1}).with("axis", int64_t{2}).error(),
            "[Add] axis; got 2 for sizes [2, 2, 2], need room for [2, 2, 2]");
}

TEST(Arithmetic, TypesMustAgree) {
  TestCall call("Add", 14, {tensor<float>({1}, {1}), tensor<double>({1}, {1})});
  EXPECT_EQ(call.error(), "[Add] element types; got f32 and f64, need one");
  TestCall absent("Add", 14, {tensor<float>({1}, {1})});
  EXPECT_EQ(absent.error(), "[Add] input 1 is absent; it is required");
}

TEST(Pow, ExactForIntegersAndMixedTypes) {
  EXPECT_EQ(binary<int64_t>("Pow", tensor<int64_t>({5}, {3, -2, 1, -1, 2}), tensor<int64_t>({5}, {39, 63, -5, -3, -1})),
            (std::vector<int64_t>{4052555153018976267, INT64_MIN, 1, -1, 0}));
  EXPECT_EQ(binary<int32_t>("Pow", tensor<int32_t>({2}, {9, 2}), tensor<float>({}, {0.5f})),
            (std::vector<int32_t>{3, 1}));
  EXPECT_EQ(binary<float>("Pow", tensor<float>({2, 1}, {2, 3}), tensor<int32_t>({2}, {3, 2})),
            (std::vector<float>{8, 4, 27, 9}));
}

TEST(Pow, ShortcutsAreThePower) {
  for (const float exponent : {2.0f, 3.0f, 0.5f, -1.0f}) {
    const Tensor x = tensor<float>({7}, {-0.0f, 4, -kInf, kInf, kNan, -3, 0.25f});
    const std::vector<float> got = binary<float>("Pow", x, tensor<float>({}, {exponent}));
    for (size_t i = 0; i < got.size(); ++i) {
      const float want = std::pow(x.data<float>()[i], exponent);
      EXPECT_TRUE(got[i] == want || (std::isnan(got[i]) && std::isnan(want))) << x.data<float>()[i] << "^" << exponent;
      EXPECT_EQ(std::signbit(got[i]), std::signbit(want) || (std::isnan(want) && std::signbit(got[i])));
    }
  }
}

TEST(Accumulate, NanWinsAndThreeInputsBroadcast) {
  EXPECT_EQ(text(binary<float>("Max", tensor<float>({3}, {kNan, 1, 2}), tensor<float>({3}, {0, kNan, 5}))),
            "nan nan 5");
  EXPECT_EQ(text(binary<float>("Min", tensor<float>({2}, {kNan, 1}), tensor<float>({2}, {0, -1}))), "nan -1");
  TestCall three("Max", 13, {tensor<int8_t>({2, 1}, {1, 7}), tensor<int8_t>({3}, {0, 5, 9}), tensor<int8_t>({}, {3})});
  EXPECT_EQ(run<int8_t>(three), (std::vector<int8_t>{3, 5, 9, 7, 7, 9}));
  TestCall mean("Mean", 13, {tensor<double>({2}, {1, 2}), tensor<double>({1}, {4}), tensor<double>({}, {4})});
  EXPECT_EQ(run<double>(mean), (std::vector<double>{3, 10.0 / 3}));
  TestCall one("Sum", 13, {tensor<float>({2}, {1, 2})});
  EXPECT_EQ(run<float>(one), (std::vector<float>{1, 2}));
}

// Longer than a chunk and cut by threads in the middle of a row.
TEST(Accumulate, LongInputs) {
  constexpr int64_t kRows = 90, kColumns = 777;
  const auto filled = [](const Dims& dims, int64_t step) {
    auto made = Tensor::allocate(DType::F32, dims);
    for (int64_t i = 0; i < made->size(); ++i) made->mutable_data<float>()[i] = static_cast<float>(i % 97 * step);
    return std::move(*made);
  };
  TestCall call("Sum", 13, {filled({kRows, kColumns}, 1), filled({kRows, 1}, 100), filled({kColumns}, 7)});
  const std::vector<float> got = run<float>(call);
  for (int64_t r = 0; r < kRows; ++r)
    for (int64_t c = 0; c < kColumns; ++c)
      ASSERT_EQ(got[static_cast<size_t>(r * kColumns + c)],
                static_cast<float>((r * kColumns + c) % 97 + r % 97 * 100 + c % 97 * 7));
}

TEST(Bits, ShiftsBeyondTheWidthLeaveNothing) {
  const Tensor x = tensor<uint8_t>({4}, {255, 255, 255, 1}), by = tensor<uint8_t>({4}, {1, 8, 200, 7});
  TestCall left("BitShift", 11, {x, by}), right("BitShift", 11, {x, by}), neither("BitShift", 11, {x, by});
  EXPECT_EQ(run<uint8_t>(left.with("direction", std::string("LEFT"))), (std::vector<uint8_t>{254, 0, 0, 128}));
  EXPECT_EQ(run<uint8_t>(right.with("direction", std::string("RIGHT"))), (std::vector<uint8_t>{127, 0, 0, 0}));
  EXPECT_EQ(neither.with("direction", std::string("UP")).error(),
            "[BitShift] direction; got 'UP', need 'LEFT' or 'RIGHT'");
  EXPECT_EQ(binary<int16_t>("BitwiseXor", tensor<int16_t>({1}, {-1}), tensor<int16_t>({1}, {255})),
            (std::vector<int16_t>{-256}));
  EXPECT_EQ(unary<int32_t>("BitwiseNot", tensor<int32_t>({2}, {0, INT32_MIN})), (std::vector<int32_t>{-1, INT32_MAX}));
}

TEST(Logic, ComparisonsAndTruth) {
  EXPECT_EQ(binary<bool>("Equal", tensor<std::string>({2}, {"a", "b"}), tensor<std::string>({}, {"b"})),
            (std::vector<bool>{false, true}));
  EXPECT_EQ(binary<bool>("Greater", tensor<uint64_t>({1}, {UINT64_MAX}), tensor<uint64_t>({1}, {1})),
            std::vector<bool>{true});
  EXPECT_EQ(binary<bool>("LessOrEqual", tensor<float>({3}, {kNan, 1, 1}), tensor<float>({3}, {1, kNan, 1})),
            (std::vector<bool>{false, false, true}));
  EXPECT_EQ(binary<bool>("Xor", tensor<bool>({2}, {true, true}), tensor<bool>({2}, {true, false})),
            (std::vector<bool>{false, true}));
  TestCall call("And", 7, {tensor<int32_t>({1}, {1}), tensor<int32_t>({1}, {1})});
  EXPECT_EQ(call.error(), "[And] element type; got i32, need bool");
}

TEST(Logic, InfAndNan) {
  const Tensor x = tensor<float>({4}, {kInf, -kInf, kNan, 1});
  TestCall positive("IsInf", 20, {x}), both("IsInf", 20, {x});
  EXPECT_EQ(run<bool>(positive.with("detect_negative", int64_t{0})), (std::vector<bool>{true, false, false, false}));
  EXPECT_EQ(run<bool>(both), (std::vector<bool>{true, true, false, false}));
  EXPECT_EQ(unary<bool>("IsNaN", tensor_of<F8E5M2>({2}, {std::nan(""), 1})), (std::vector<bool>{true, false}));
}

TEST(Where, AnyTypeAndOneCondition) {
  TestCall strings(
      "Where", 16,
      {tensor<bool>({2, 1}, {true, false}), tensor<std::string>({2}, {"a", "b"}), tensor<std::string>({}, {"c"})});
  EXPECT_EQ(run<std::string>(strings), (std::vector<std::string>{"a", "b", "c", "c"}));
  TestCall one("Where", 16, {tensor<bool>({}, {false}), tensor<int64_t>({}, {1}), tensor<int64_t>({3}, {4, 5, 6})});
  EXPECT_EQ(run<int64_t>(one), (std::vector<int64_t>{4, 5, 6}));
  TestCall types("Where", 16, {tensor<bool>({}, {true}), tensor<int64_t>({}, {1}), tensor<int32_t>({}, {1})});
  EXPECT_EQ(types.error(), "[Where] element types; got i64 and i32, need one");
}

TEST(Clip, Bounds) {
  const Tensor x = tensor<float>({5}, {-kInf, -1, kNan, 5, kInf});
  const auto clip = [&](Value low, Value high) {
    TestCall call("Clip", 13, {x, std::move(low), std::move(high)});
    return text(run<float>(call));
  };
  EXPECT_EQ(clip({}, {}), "-inf -1 nan 5 inf");
  EXPECT_EQ(clip(tensor<float>({}, {0}), {}), "0 0 nan 5 inf");
  EXPECT_EQ(clip(tensor<float>({}, {3}), tensor<float>({}, {1})), "1 1 nan 1 1");  // the upper bound wins
  TestCall bytes("Clip", 12, {tensor<uint8_t>({3}, {1, 100, 255}), tensor<uint8_t>({}, {50}), Value()});
  EXPECT_EQ(run<uint8_t>(bytes), (std::vector<uint8_t>{50, 100, 255}));
  TestCall row("Clip", 13, {x, tensor<float>({2}, {0, 1})});
  EXPECT_EQ(row.error(), "[Clip] bound in input 1; got 2 elements, need 1");
  TestCall old("Clip", 6, {tensor<float>({2}, {-5, 9})});
  EXPECT_EQ(run<float>(old.with("min", 0.0f).with("max", 6.0f)), (std::vector<float>{0, 6}));
}

TEST(Math, SignsAndIntegers) {
  EXPECT_EQ(unary<int8_t>("Abs", tensor<int8_t>({2}, {-128, -3})), (std::vector<int8_t>{-128, 3}));
  EXPECT_EQ(unary<int64_t>("Neg", tensor<int64_t>({2}, {INT64_MIN, 4})), (std::vector<int64_t>{INT64_MIN, -4}));
  EXPECT_EQ(text(unary<float>("Sign", tensor<float>({4}, {-2, 0, 7, kNan}))), "-1 0 1 nan");
  EXPECT_EQ(unary<uint8_t>("Sign", tensor<uint8_t>({2}, {0, 200})), (std::vector<uint8_t>{0, 1}));
  EXPECT_EQ(unary<int32_t>("Erf", tensor<int32_t>({3}, {-9, 0, 9}), 9), (std::vector<int32_t>{-1, 0, 1}));
  EXPECT_EQ(unary<double>("Round", tensor<double>({4}, {2.5, 3.5, -0.5, 1e300})),
            (std::vector<double>{2, 4, -0.0, 1e300}));
  TestCall text_input("Exp", 13, {tensor<std::string>({1}, {"x"})});
  EXPECT_EQ(text_input.error(), "[Exp] element type; got string");
}

// Doubles have their own code: held against the f32 loops, which have others.
TEST(Activations, DoublesAgreeWithFloats) {
  for (const std::string_view op : {"Celu", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "Selu",
                                    "Sigmoid", "Softplus", "Softsign", "Swish", "ThresholdedRelu", "Relu"}) {
    std::vector<double> x;
    for (int i = -40; i <= 40; ++i) x.push_back(i * 0.25);
    TestCall wide(op, 24, {tensor_of<double>({81}, x)}), narrow(op, 24, {tensor_of<float>({81}, x)});
    wide.with("alpha", 0.75f);
    narrow.with("alpha", 0.75f);
    const std::vector<double> a = run<double>(wide);
    const std::vector<float> b = run<float>(narrow);
    for (size_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(a[i], static_cast<double>(b[i]), 1e-6 + 1e-6 * std::abs(a[i])) << op << " of " << x[i];
  }
}

TEST(Activations, OddInputs) {
  TestCall approximate("Gelu", 20, {tensor<float>({1}, {1})});
  EXPECT_EQ(approximate.with("approximate", std::string("sigmoid")).error(),
            "[Gelu] approximate; got 'sigmoid', need 'none' or 'tanh'");
  TestCall slope("PRelu", 16, {tensor<float>({2}, {1, -1}), tensor<float>({2, 2}, {1, 1, 1, 1})});
  EXPECT_EQ(slope.error(), "[PRelu] sizes of the slope; got [2, 2], need sizes that broadcast to [2]");
  TestCall channels("PRelu", 6, {tensor<float>({1, 2, 2}, {-1, -1, -1, 1}), tensor<float>({2}, {2, 3})});
  EXPECT_EQ(run<float>(channels), (std::vector<float>{-2, -2, -3, 1}));
  EXPECT_EQ(binary<int32_t>("PRelu", tensor<int32_t>({2}, {-4, 4}), tensor<int32_t>({1}, {3}), 16),
            (std::vector<int32_t>{-12, 4}));
  TestCall shrink("Shrink", 9, {tensor<int8_t>({4}, {-3, -1, 1, 3})});
  EXPECT_EQ(run<int8_t>(shrink.with("lambd", 1.5f).with("bias", 1.5f)), (std::vector<int8_t>{-1, 0, 0, 1}));
}

TEST(Identity, AnyValue) {
  auto sequence = std::make_shared<Sequence>();
  sequence->items.emplace_back(tensor<float>({1}, {3}));
  TestCall call("Identity", 16, {Value(std::shared_ptr<const Sequence>(sequence))});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.result().sequence(), sequence.get());
}

TEST(Dropout, NothingDropsOutsideOfTraining) {
  TestCall call("Dropout", 13, {tensor<float>({3}, {1, 2, 3}), tensor<float>({}, {0.9f})}, 2);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(values<float>(call.out()), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(values<bool>(call.out(1)), (std::vector<bool>{true, true, true}));
  TestCall old("Dropout", 7, {tensor_of<Half>({2}, {1, 2})}, 2);
  ASSERT_TRUE(old.run());
  EXPECT_EQ(doubles<Half>(old.out(1)), (std::vector<double>{1, 1}));
}

// The masks are those of NumPy's RandomState(seed).uniform(size=12) >= ratio.
TEST(Dropout, TrainingDropsBySeed) {
  const std::vector<double> ones(12, 1.0);
  TestCall call("Dropout", 22, {tensor_of<float>({12}, ones), tensor<float>({}, {0.25f}), tensor<bool>({}, {true})}, 2);
  ASSERT_TRUE(call.with("seed", int64_t{42}).run());
  EXPECT_EQ(values<bool>(call.out(1)),
            (std::vector<bool>{true, true, true, true, false, false, false, true, true, true, false, true}));
  EXPECT_EQ(values<float>(call.out())[0], 4.0f / 3);
  EXPECT_EQ(values<float>(call.out())[4], 0.0f);
  TestCall whole("Dropout", 22, {tensor<float>({1}, {1}), tensor<float>({}, {1}), tensor<bool>({}, {true})});
  EXPECT_EQ(whole.error(), "[Dropout] ratio; got 1, need at least 0 and less than 1");
}

}  // namespace
}  // namespace hearth::operators
