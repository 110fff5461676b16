#include <cmath>

#include "graph/type.h"
#include "operators/convert.h"
#include "operators/elementwise/number_text.h"
#include "test_call.h"

namespace hearth::operators {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

template <class To>
std::vector<To> cast(Tensor x, std::string_view attribute = {}, graph::Attribute::Data data = int64_t{0}) {
  TestCall call("Cast", 25, {std::move(x)});
  call.with("to", graph::onnx_number(dtype_of_type<To>));
  if (!attribute.empty()) call.with(attribute, std::move(data));
  const auto done = call.run();
  EXPECT_TRUE(done) << done.error().message;
  return done ? values<To>(call.out()) : std::vector<To>();
}
std::string cast_error(Tensor x, DType to) {
  TestCall call("Cast", 25, {std::move(x)});
  return call.with("to", graph::onnx_number(to)).error();
}

// Every pair of types carries small whole numbers.
TEST(Cast, EveryPair) {
#define HEARTH_TYPE(name, type) DType::name,
  for (const DType from : {HEARTH_ELEMENT_TYPES(HEARTH_TYPE)})
    for (const DType to : {HEARTH_ELEMENT_TYPES(HEARTH_TYPE)}) {
      const auto skipped = [](DType t) { return t == DType::C64 || t == DType::C128; };
      if (skipped(from) || skipped(to)) continue;
      if (from == DType::Bool && to == DType::String) continue;  // "True" is no number
      TestCall first("Cast", 25, {tensor<float>({2}, {1, 1})});
      ASSERT_TRUE(first.with("to", graph::onnx_number(from)).run());
      TestCall second("Cast", 25, {first.out()});
      ASSERT_TRUE(second.with("to", graph::onnx_number(to)).run()) << to_string(from) << " to " << to_string(to);
      EXPECT_EQ(second.out().dtype(), to);
      TestCall third("Cast", 25, {second.out()});
      ASSERT_TRUE(third.with("to", graph::onnx_number(DType::F32)).run());
      EXPECT_EQ(values<float>(third.out()), (std::vector<float>{1, 1})) << to_string(from) << " to " << to_string(to);
    }
#undef HEARTH_TYPE
}

TEST(Cast, FloatsThatDoNotFitIntegersAreDefined) {
  const Tensor x = tensor<float>({6}, {NAN, INFINITY, -1.5f, 300.7f, 3e9f, -1e30f});
  EXPECT_EQ(cast<int32_t>(x), (std::vector<int32_t>{INT32_MIN, INT32_MIN, -1, 300, INT32_MIN, INT32_MIN}));
  EXPECT_EQ(cast<int64_t>(x), (std::vector<int64_t>{INT64_MIN, INT64_MIN, -1, 300, 3000000000, INT64_MIN}));
  EXPECT_EQ(cast<uint8_t>(x), (std::vector<uint8_t>{0, 0, 255, 44, 0, 0}));
  EXPECT_EQ(cast<uint64_t>(tensor<double>({2}, {1e19, -1})),
            (std::vector<uint64_t>{10000000000000000000u, UINT64_MAX}));
  EXPECT_EQ(cast<bool>(tensor<float>({4}, {0, -0.0f, 0.1f, NAN})), (std::vector<bool>{false, false, true, true}));
}

TEST(Cast, IntegersWrap) {
  EXPECT_EQ(cast<int8_t>(tensor<int16_t>({2}, {200, -129})), (std::vector<int8_t>{-56, 127}));
  EXPECT_EQ(cast<int64_t>(tensor<uint64_t>({1}, {UINT64_MAX})), std::vector<int64_t>{-1});
  EXPECT_EQ(cast<float>(tensor<uint64_t>({1}, {UINT64_MAX})), std::vector<float>{0x1p64f});
  EXPECT_EQ(static_cast<int>(cast<Int4>(tensor<int32_t>({1}, {-9}))[0]), 7);
}

// 1 + 2^-11 + 2^-30 lies above the middle of two halves; its nearest float is that middle, and would round down.
TEST(Cast, RoundsOnce) {
  EXPECT_EQ(cast<Half>(tensor<double>({1}, {1 + 0x1p-11 + 0x1p-30}))[0].bits, 0x3c01);
  EXPECT_EQ(cast<BFloat16>(tensor<int64_t>({1}, {0x1010000001}))[0].bits, BFloat16(0x1.02p36f).bits);
  EXPECT_EQ(cast<Half>(tensor<float>({1}, {65520}))[0].bits, 0x7c00);
}

TEST(Cast, SmallFloatAttributes) {
  const Tensor x = tensor<float>({3}, {1e6f, -INFINITY, 1});
  EXPECT_EQ(cast<F8E4M3FN>(x)[0].bits, 0x7e);
  EXPECT_EQ(cast<F8E5M2>(x, "saturate", int64_t{0})[1].bits, 0xfc);
  const Tensor scale = tensor<float>({1}, {1.1f});
  EXPECT_EQ(cast<F8E8M0>(scale)[0].bits, 128);
  EXPECT_EQ(cast<F8E8M0>(scale, "round_mode", std::string("down"))[0].bits, 127);
  TestCall call("Cast", 25, {scale});
  EXPECT_EQ(call.with("to", int64_t{24}).with("round_mode", std::string("odd")).error(),
            "[Cast] round_mode; got 'odd', need 'up', 'down' or 'nearest'");
}

TEST(Cast, NumbersAsText) {
  EXPECT_EQ(
      cast<std::string>(tensor<double>({8}, {1, 0.1, 1e15, 1e16, 1e-4, 1.5e-5, -kInf, std::nan("")})),
      (std::vector<std::string>{"1.0", "0.1", "1000000000000000.0", "1e+16", "0.0001", "1.5e-05", "-inf", "nan"}));
  EXPECT_EQ(cast<std::string>(tensor<float>({6}, {314.15926f, 999999, 1e6f, 1.0f / 3, -0.0f, 1e-4f})),
            (std::vector<std::string>{"314.15927", "999999.0", "1e+06", "0.33333334", "-0.0", "1e-04"}));
  EXPECT_EQ(cast<std::string>(tensor_of<Half>({3}, {314.15926, 1000, 1.0 / 3})),
            (std::vector<std::string>{"314.2", "1e+03", "0.3333"}));
  EXPECT_EQ(cast<std::string>(tensor<bool>({2}, {true, false})), (std::vector<std::string>{"True", "False"}));
  EXPECT_EQ(cast<std::string>(tensor<uint64_t>({1}, {UINT64_MAX})), std::vector<std::string>{"18446744073709551615"});
  EXPECT_EQ(cast<std::string>(tensor_of<Int4>({1}, {-8})), std::vector<std::string>{"-8"});
}

TEST(Cast, TextAsNumbers) {
  const std::vector<float> got =
      cast<float>(tensor<std::string>({7}, {"3.14", " 1e-5 ", "+INF", "-inf", "NaN", "1000", "1e400"}));
  EXPECT_EQ(fmt::format("{}", fmt::join(got, " ")), "3.14 1e-05 inf -inf nan 1000 inf");
  EXPECT_EQ(cast<int64_t>(tensor<std::string>({3}, {"-9223372036854775808", "100.5", "1e3"})),
            (std::vector<int64_t>{INT64_MIN, 100, 1000}));
  EXPECT_EQ(cast<double>(tensor<std::string>({1}, {"1e-400"})), std::vector<double>{0});
  EXPECT_EQ(cast_error(tensor<std::string>({2}, {"1", "Hello World!"}), DType::F32),
            "[Cast] element 1; got 'Hello World!', need a number for f32");
  EXPECT_EQ(cast_error(tensor<std::string>({1}, {"99999999999999999999"}), DType::I64),
            "[Cast] element 0; got '99999999999999999999', need a number for i64");
  EXPECT_EQ(cast_error(tensor<std::string>({1}, {""}), DType::F64), "[Cast] element 0; got '', need a number for f64");
}

TEST(Cast, RefusesWhatIsNoType) {
  TestCall number("Cast", 13, {tensor<float>({1}, {1})}), none("Cast", 13, {tensor<float>({1}, {1})});
  EXPECT_EQ(number.with("to", int64_t{99}).error(),
            "[Cast] attribute 'to'; got 99, need the number of an element type");
  EXPECT_EQ(none.error(), "[Cast] attribute 'to' is absent; it is required");
  EXPECT_EQ(cast_error(tensor<float>({1}, {1}), DType::C64), "[Cast] a cast of f32 to c64");
}

TEST(BitCast, KeepsTheBits) {
  TestCall call("BitCast", 26, {tensor<float>({2}, {1, -0.0f})});
  ASSERT_TRUE(call.with("to", graph::onnx_number(DType::U32)).run());
  EXPECT_EQ(values<uint32_t>(call.out()), (std::vector<uint32_t>{0x3f800000, 0x80000000}));
  TestCall narrow("BitCast", 26, {tensor_of<UInt4>({2}, {15, 7})});
  ASSERT_TRUE(narrow.with("to", graph::onnx_number(DType::I4)).run());
  EXPECT_EQ(doubles<Int4>(narrow.out()), (std::vector<double>{-1, 7}));
  TestCall width("BitCast", 26, {tensor<float>({1}, {1})});
  EXPECT_EQ(width.with("to", graph::onnx_number(DType::F16)).error(),
            "[BitCast] width of f16; got 16 bits, need the 32 of f32");
}

}  // namespace
}  // namespace hearth::operators
