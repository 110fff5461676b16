#include "graph/type.h"

#include <gtest/gtest.h>

namespace hearth::graph {
namespace {

Type map_of(DType key, Type value) {
  Type type;
  type.kind = TypeKind::Map;
  type.dtype = key;
  type.inner = std::make_shared<const Type>(std::move(value));
  return type;
}

TEST(Type, TextTellsAScalarFromAnUnknownRank) {
  EXPECT_EQ(to_string(Type::tensor(DType::F32, Shape{})), "float");
  EXPECT_EQ(to_string(Type::tensor(DType::F32)), "float[]");
  EXPECT_EQ(to_string(Type::tensor(DType::I64, Shape{Dimension("N"), 3, Dimension()})), "int64[N,3,?]");
  EXPECT_EQ(to_string(Type::tensor(DType::F32, Shape{Dimension("a+b"), 0})), "float[\"a+b\",0]");
  EXPECT_EQ(to_string(Type::sequence(Type::tensor(DType::F32, Shape{Dimension()}))), "seq(float[?])");
  EXPECT_EQ(to_string(Type::optional(Type::sequence(Type::tensor(DType::I64, Shape{})))), "optional(seq(int64))");
  EXPECT_EQ(to_string(map_of(DType::I64, Type::tensor(DType::F32, Shape{}))), "map(int64,float)");
  EXPECT_EQ(to_string(Type()), "?");
  Type open;
  open.kind = TypeKind::Tensor;
  open.shape = Shape{2};
  EXPECT_EQ(to_string(open), "undefined[2]");
  EXPECT_EQ(to_string(Type::sequence(Type())), "seq(?)");
}

TEST(Type, OrtSpelling) {
  EXPECT_EQ(ort_type_string(Type::tensor(DType::BF16, Shape{2})), "tensor(bfloat16)");
  EXPECT_EQ(ort_type_string(Type::optional(Type::sequence(Type::tensor(DType::I64)))), "optional(seq(tensor(int64)))");
  EXPECT_EQ(ort_type_string(Type::sequence(map_of(DType::String, Type::tensor(DType::F32)))),
            "seq(map(string,tensor(float)))");
}

TEST(Type, EveryElementTypeHasANameAndANumberOfItsOwn) {
  int plain = 0;
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (is_quantised(dtype)) continue;
    ++plain;
    EXPECT_EQ(parse_onnx_name(onnx_name(dtype)), dtype) << i;
    EXPECT_EQ(dtype_from_onnx(onnx_number(dtype)), dtype) << i;
  }
  EXPECT_EQ(plain, 26);
  for (const int64_t none : {int64_t{0}, int64_t{-1}, int64_t{27}, INT64_MAX}) EXPECT_FALSE(dtype_from_onnx(none));
  EXPECT_EQ(onnx_number(DType::F32), 1);  // as TensorProto.DataType has them
  EXPECT_EQ(onnx_number(DType::I64), 7);
  EXPECT_EQ(onnx_number(DType::BF16), 16);
  EXPECT_EQ(onnx_number(DType::F4E2M1), 23);
  EXPECT_FALSE(parse_onnx_name("q4_0"));
  EXPECT_FALSE(parse_onnx_name("undefined"));
}

TEST(Type, MergeKeepsWhatIsKnown) {
  const Type open = Type::tensor(DType::F32), symbolic = Type::tensor(DType::F32, Shape{Dimension("N"), Dimension()}),
             fixed = Type::tensor(DType::F32, Shape{4, Dimension("M")});
  EXPECT_EQ(to_string(merge(open, symbolic).value()), "float[N,?]");
  EXPECT_EQ(to_string(merge(symbolic, fixed).value()), "float[4,M]");
  EXPECT_EQ(to_string(merge(fixed, symbolic).value()), "float[4,M]");
  EXPECT_EQ(to_string(merge(Type(), fixed).value()), "float[4,M]");
  EXPECT_EQ(to_string(merge(Type::sequence(open), Type::sequence(fixed)).value()), "seq(float[4,M])");
  // Of two symbols the first stays.
  EXPECT_EQ(
      to_string(merge(Type::tensor(DType::F32, Shape{Dimension("A")}), Type::tensor(DType::F32, Shape{Dimension("B")}))
                    .value()),
      "float[A]");
}

TEST(Type, MergeRefusesContradictions) {
  const Type a = Type::tensor(DType::F32, Shape{2, 3});
  for (const Type& b : {Type::tensor(DType::F64), Type::tensor(DType::F32, Shape{2}),
                        Type::tensor(DType::F32, Shape{2, 4}), Type::sequence(a)}) {
    const auto merged = merge(a, b);
    ASSERT_FALSE(merged) << to_string(b);
    EXPECT_EQ(merged.error().message,
              "[type] two descriptions of one value; got float[2,3] and " + to_string(b) + ", need agreement");
  }
  EXPECT_FALSE(merge(Type::sequence(a), Type::sequence(Type::tensor(DType::I8))));
}

}  // namespace
}  // namespace hearth::graph
