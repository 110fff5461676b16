#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <complex>

#include "import/onnx/read_onnx.h"
#include "onnx_bytes.h"

namespace hearth::import::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Tensor read(const std::string& bytes) {
  auto value = read_onnx_tensor(as_bytes(bytes));
  if (!value) {
    ADD_FAILURE() << value.error().message;
    return {};
  }
  return *value->tensor();
}

std::string error_of(const std::string& bytes) {
  const auto value = read_onnx_tensor(as_bytes(bytes));
  return value ? "no error" : value.error().message;
}

template <class T>
std::vector<T> elements(const Tensor& tensor) {
  return std::vector<T>(tensor.data<T>(), tensor.data<T>() + tensor.size());
}

template <class T>
std::string varints(int32_t type, std::initializer_list<int64_t> dims, uint32_t field,
                    std::initializer_list<T> values) {
  return tensor("t", type, dims, [&](Writer& w) {
    if (field == 5) w.add_packed_int32(field, values.begin(), values.end());
    if (field == 7) w.add_packed_int64(field, values.begin(), values.end());
    if (field == 11) w.add_packed_uint64(field, values.begin(), values.end());
  });
}

TEST(ReadTensor, RawNumbersOfEveryWidth) {
  std::string name;
  const auto value = read_onnx_tensor(as_bytes(floats("weights", {2, 2}, {1, -2, 0.5f, 4})), &name);
  ASSERT_TRUE(value);
  EXPECT_EQ(name, "weights");
  EXPECT_EQ(value->tensor()->dims(), (Dims{2, 2}));
  EXPECT_THAT(elements<float>(*value->tensor()), ElementsAre(1, -2, 0.5f, 4));
  EXPECT_THAT(elements<int64_t>(read(raw_tensor<int64_t>("", kInt64, {2}, {-1, int64_t{1} << 40}))),
              ElementsAre(-1, int64_t{1} << 40));
  EXPECT_THAT(elements<uint16_t>(read(raw_tensor<uint16_t>("", kFloat16, {2}, {0x3c00, 0xffff}))),
              ElementsAre(0x3c00, 0xffff));
  EXPECT_THAT(elements<std::complex<double>>(read(raw_tensor<double>("", kComplex128, {1}, {1, -2}))),
              ElementsAre(std::complex<double>(1, -2)));
  EXPECT_EQ(read(raw_tensor<uint8_t>("", kFloat8e8m0, {1}, {0x7f})).dtype(), DType::F8E8M0);
}

TEST(ReadTensor, AScalarHasNoDims) {
  const Tensor scalar = read(floats("", {}, {7}));
  EXPECT_EQ(scalar.rank(), 0);
  EXPECT_THAT(elements<float>(scalar), ElementsAre(7));
}

TEST(ReadTensor, AnEmptyTensorNeedsNoData) {
  EXPECT_EQ(read(tensor("", kFloat, {0, 3}, [](Writer&) {})).size(), 0);
  EXPECT_EQ(read(tensor("", kString, {0}, [](Writer&) {})).size(), 0);
}

TEST(ReadTensor, TypedFields) {
  const float values[] = {1.5f, -1};
  EXPECT_THAT(
      elements<float>(read(tensor("", kFloat, {2}, [&](Writer& w) { w.add_packed_float(4, values, values + 2); }))),
      ElementsAre(1.5f, -1));
  EXPECT_THAT(elements<std::complex<float>>(
                  read(tensor("", kComplex64, {1}, [&](Writer& w) { w.add_packed_float(4, values, values + 2); }))),
              ElementsAre(std::complex<float>(1.5f, -1)));
  const double wide[] = {1e300};
  EXPECT_THAT(
      elements<double>(read(tensor("", kDouble, {1}, [&](Writer& w) { w.add_packed_double(10, wide, wide + 1); }))),
      ElementsAre(1e300));
  EXPECT_THAT(elements<int32_t>(read(varints<int32_t>(kInt32, {2}, 5, {-5, INT32_MAX}))), ElementsAre(-5, INT32_MAX));
  EXPECT_THAT(elements<int8_t>(read(varints<int32_t>(kInt8, {2}, 5, {-128, 127}))), ElementsAre(-128, 127));
  EXPECT_THAT(elements<uint8_t>(read(varints<int32_t>(kUint8, {1}, 5, {255}))), ElementsAre(255));
  EXPECT_THAT(elements<uint16_t>(read(varints<int32_t>(kBfloat16, {1}, 5, {0xbf80}))), ElementsAre(0xbf80));
  EXPECT_THAT(elements<bool>(read(varints<int32_t>(kBool, {3}, 5, {0, 1, 2}))), ElementsAre(false, true, true));
  EXPECT_THAT(elements<int64_t>(read(varints<int64_t>(kInt64, {2}, 7, {INT64_MIN, 3}))), ElementsAre(INT64_MIN, 3));
  EXPECT_THAT(elements<uint64_t>(read(varints<uint64_t>(kUint64, {1}, 11, {UINT64_MAX}))), ElementsAre(UINT64_MAX));
  EXPECT_THAT(elements<uint32_t>(read(varints<uint64_t>(kUint32, {1}, 11, {UINT32_MAX}))), ElementsAre(UINT32_MAX));
}

TEST(ReadTensor, RepeatedNumbersMayStandAlone) {
  EXPECT_THAT(elements<int32_t>(read(tensor("", kInt32, {3},
                                            [](Writer& w) {
                                              const int32_t rest[] = {2, 3};
                                              w.add_int32(5, 1);
                                              w.add_packed_int32(5, rest, rest + 2);
                                            }))),
              ElementsAre(1, 2, 3));
  EXPECT_THAT(elements<float>(read(tensor("", kFloat, {2},
                                          [](Writer& w) {
                                            w.add_float(4, 1);
                                            w.add_float(4, 2);
                                          }))),
              ElementsAre(1, 2));
  const std::string lonely_dims = message([](Writer& w) {
    w.add_int64(1, 2);
    w.add_int64(1, 1);
    w.add_int32(2, kUint8);
    w.add_bytes(9, "ab");
  });
  EXPECT_EQ(read(lonely_dims).dims(), (Dims{2, 1}));
}

TEST(ReadTensor, NarrowNumbersComeOneAByte) {
  // 0x21: 1 then 2; 0xf8: -8 then -1.
  EXPECT_THAT(elements<int8_t>(read(raw_tensor<uint8_t>("", kInt4, {4}, {0x21, 0xf8}))), ElementsAre(1, 2, -8, -1));
  EXPECT_THAT(elements<uint8_t>(read(raw_tensor<uint8_t>("", kUint4, {3}, {0x21, 0xf8}))), ElementsAre(1, 2, 8));
  EXPECT_THAT(elements<uint8_t>(read(varints<int32_t>(kFloat4e2m1, {3}, 5, {0x21, 0x08}))), ElementsAre(1, 2, 8));
  EXPECT_THAT(elements<int8_t>(read(raw_tensor<uint8_t>("", kInt2, {5}, {0b11100100, 0b10}))),
              ElementsAre(0, 1, -2, -1, -2));
  EXPECT_THAT(elements<uint8_t>(read(varints<int32_t>(kUint2, {4}, 5, {0b11100100}))), ElementsAre(0, 1, 2, 3));
}

TEST(ReadTensor, BoolsAreZeroOrOne) {
  EXPECT_THAT(elements<uint8_t>(read(raw_tensor<uint8_t>("", kBool, {3}, {0, 1, 255}))), ElementsAre(0, 1, 1));
}

TEST(ReadTensor, Strings) {
  const Tensor read_back = read(tensor("", kString, {2}, [](Writer& w) {
    w.add_bytes(6, "one");
    w.add_bytes(6, std::string("\0\xff", 2));
  }));
  EXPECT_THAT(read_back.strings(), ElementsAre("one", std::string("\0\xff", 2)));
}

TEST(ReadTensor, CountsMustMatch) {
  EXPECT_EQ(error_of(floats("w", {2, 2}, {1, 2, 3})),
            "[onnx] tensor \"w\": raw_data; got 12 bytes, need 16 for [2, 2] of f32");
  EXPECT_EQ(error_of(tensor("w", kFloat, {2}, [](Writer&) {})),
            "[onnx] tensor \"w\": raw_data; got 0 bytes, need 8 for [2] of f32");
  EXPECT_EQ(error_of(varints<int32_t>(kInt32, {3}, 5, {1, 2})),
            "[onnx] tensor \"t\": data; got 2 numbers, need 3 for [3] of i32");
  EXPECT_EQ(error_of(varints<int32_t>(kInt32, {1}, 5, {1, 2})),
            "[onnx] tensor \"t\": data; got 2 numbers, need 1 for [1] of i32");
  EXPECT_THAT(error_of(varints<int64_t>(kInt32, {1}, 7, {1})), HasSubstr("got 0 numbers, need 1"));
  EXPECT_THAT(error_of(raw_tensor<uint8_t>("", kInt4, {3}, {1})), HasSubstr("got 1 bytes, need 2"));
  EXPECT_THAT(error_of(tensor("", kString, {2}, [](Writer& w) { w.add_bytes(6, "one"); })),
              HasSubstr("got 1 strings, need 2"));
}

TEST(ReadTensor, NumbersMustFit) {
  EXPECT_EQ(error_of(varints<int32_t>(kInt8, {1}, 5, {300})),
            "[onnx] tensor \"t\": int32_data; got 300, need what fits into i8");
  EXPECT_THAT(error_of(varints<int32_t>(kFloat16, {1}, 5, {70000})), HasSubstr("got 70000"));
}

TEST(ReadTensor, SizesAreCheckedBeforeMemoryIsTaken) {
  EXPECT_THAT(error_of(tensor("", kFloat, {int64_t{1} << 33, int64_t{1} << 33}, [](Writer& w) { w.add_float(4, 1); })),
              HasSubstr("dims; got"));
  EXPECT_THAT(error_of(tensor("", kFloat, {-1}, [](Writer&) {})), HasSubstr("dims; got [-1]"));
  EXPECT_THAT(error_of(tensor("", kInt64, {int64_t{1} << 39}, [](Writer& w) { w.add_int64(7, 1); })),
              HasSubstr("got 1 numbers, need 549755813888"));
  EXPECT_THAT(error_of(tensor("", kFloat, {1, 1, 1, 1, 1, 1, 1, 1, 1}, [](Writer& w) { w.add_float(4, 1); })),
              HasSubstr("rank; got 9, need at most 8"));
}

TEST(ReadTensor, WhatCannotBeReadIsSaid) {
  EXPECT_THAT(error_of(tensor("w", 99, {1}, [](Writer&) {})), HasSubstr("data_type; got 99"));
  EXPECT_THAT(error_of(tensor("w", 0, {1}, [](Writer&) {})), HasSubstr("data_type; got 0"));
  EXPECT_THAT(error_of(tensor("w", kFloat, {1}, [](Writer& w) { w.add_message(3, std::string()); })),
              HasSubstr("segments"));
  EXPECT_THAT(error_of(tensor("w", kFloat, {1},
                              [](Writer& w) {
                                w.add_float(4, 1);
                                w.add_bytes(9, "abcd");
                              })),
              HasSubstr("got raw_data and a typed field"));
  EXPECT_THAT(error_of(raw_tensor<uint8_t>("w", kString, {1}, {65})), HasSubstr("got strings in raw_data"));
  EXPECT_THAT(error_of(tensor("w", kFloat, {1}, [](Writer& w) { w.add_int32(14, 1); })),
              HasSubstr("external data; got a single value"));
}

TEST(ReadTensor, DamagedBytes) {
  const std::string whole = floats("weights", {2}, {1, 2});
  const size_t unnamed = whole.size() - 2 - 7;  // without the name it is whole
  for (size_t size = 0; size < unnamed; ++size) EXPECT_FALSE(read_onnx_tensor(as_bytes(whole.substr(0, size)))) << size;
  EXPECT_THAT(error_of("\x08"), HasSubstr("number in TensorProto at its byte 0"));
  EXPECT_THAT(error_of("\x4a\x7f"),
              HasSubstr("field 9 of TensorProto at its byte 0; got 2 bytes to the end, need 127"));
  EXPECT_THAT(error_of("\x4b"), HasSubstr("wire type 3"));
  EXPECT_THAT(error_of("\x48\x01"), HasSubstr("field 9 of TensorProto at its byte 0; got wire type 0"));
  EXPECT_THAT(error_of(std::string("\x22\x03\0\0\0", 5)), HasSubstr("got 3 bytes, need whole numbers"));
  EXPECT_THAT(error_of(std::string("\x4a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11)),
              HasSubstr("got 11 bytes to the end"));
}

TEST(ReadSequence, TensorsSequencesMapsAndNothing) {
  const std::string inner = message([](Writer& w) {
    w.add_string(1, std::string("s"));
    w.add_int32(2, 1);
    w.add_message(3, floats("", {1}, {1}));
    w.add_message(3, floats("", {2}, {2, 3}));
  });
  std::string name;
  auto value = read_onnx_sequence(as_bytes(inner), &name);
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(name, "s");
  ASSERT_EQ(value->sequence()->items.size(), 2u);
  EXPECT_THAT(elements<float>(*value->sequence()->items[1].tensor()), ElementsAre(2, 3));

  const std::string nested = message([&](Writer& w) {
    w.add_int32(2, 3);
    w.add_message(5, inner);
  });
  value = read_onnx_sequence(as_bytes(nested));
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(value->sequence()->items.at(0).sequence()->items.size(), 2u);

  const std::string optional = message([&](Writer& w) {
    w.add_int32(2, 3);
    w.add_message(5, inner);
  });
  value = read_onnx_optional(as_bytes(optional));
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_NE(value->sequence(), nullptr);
  value = read_onnx_optional({});
  ASSERT_TRUE(value);
  EXPECT_TRUE(value->empty());

  const std::string map = message([&](Writer& w) {
    w.add_int32(2, kString);
    w.add_bytes(4, "a");
    w.add_bytes(4, "b");
    w.add_message(5, message([](Writer& values) {
                    values.add_int32(2, 1);
                    values.add_message(3, floats("", {}, {5}));
                    values.add_message(3, floats("", {1}, {6}));
                  }));
  });
  value = read_onnx_sequence(as_bytes(message([&](Writer& w) {
    w.add_int32(2, 4);
    w.add_message(6, map);
  })));
  ASSERT_TRUE(value) << value.error().message;
  const Map* read_map = value->sequence()->items.at(0).map();
  ASSERT_NE(read_map, nullptr);
  EXPECT_THAT(std::get<std::vector<std::string>>(read_map->keys), ElementsAre("a", "b"));
  EXPECT_THAT(elements<float>(read_map->values), ElementsAre(5, 6));
}

TEST(ReadSequence, DepthIsBounded) {
  std::string bytes;
  for (int i = 0; i < 200; ++i)
    bytes = message([&](Writer& w) {
      w.add_int32(2, 3);
      w.add_message(5, bytes);
    });
  const auto value = read_onnx_sequence(as_bytes(bytes));
  ASSERT_FALSE(value);
  EXPECT_THAT(value.error().message, HasSubstr("values within values"));
}

}  // namespace
}  // namespace hearth::import::testing
