#include <gtest/gtest.h>

#include "graph/infer/slice.h"
#include "graph/infer/table.h"
#include "graph/schema.h"

namespace hearth::graph::infer {
namespace {

TEST(InferTable, EveryOperatorOfTheSchemaHasAFunction) {
  for (const OperatorSchema& schema : all_schemas())
    EXPECT_NE(find_inference(schema.domain, schema.name), nullptr) << schema.domain << ' ' << schema.name;
  EXPECT_EQ(find_inference("custom", "Relu"), nullptr);
  EXPECT_NE(find_inference("ai.onnx", "Relu"), nullptr);
}

TEST(InferTable, NoFunctionWithoutAnOperator) {
  for (const auto& family :
       {elementwise_inference(), array_inference(), indexing_inference(), reduction_inference(), matrix_inference(),
        window_inference(), image_inference(), network_inference(), generator_inference(), control_inference(),
        sequence_inference(), text_inference(), ml_inference(), training_inference()})
    for (const InferEntry& entry : family)
      EXPECT_NE(find_schema(entry.domain, entry.op_type, newest_opset(entry.domain)), nullptr) << entry.op_type;
  for (const auto& family : {array_propagation(), arithmetic_propagation()})
    for (const PropagateEntry& entry : family)
      EXPECT_NE(find_schema("", entry.op_type, newest_opset("")), nullptr) << entry.op_type;
}

TEST(Slice, RangesAsNumPyAndOnnxHaveThem) {
  const auto count = [](int64_t start, int64_t end, int64_t step, int64_t size) {
    return slice_range(start, end, step, size).count;
  };
  EXPECT_EQ(count(0, 10, 1, 5), 5);
  EXPECT_EQ(count(-3, -1, 1, 5), 2);
  EXPECT_EQ(count(1, 5, 2, 5), 2);
  EXPECT_EQ(count(4, 0, -1, 5), 4);
  EXPECT_EQ(count(-1, INT64_MIN, -1, 5), 5);
  EXPECT_EQ(count(-1, INT64_MIN, INT64_MIN, 5), 1);
  EXPECT_EQ(count(0, INT64_MAX, INT64_MAX, 5), 1);
  EXPECT_EQ(count(3, 2, 1, 5), 0);
  EXPECT_EQ(count(0, 5, 1, 0), 0);
  EXPECT_EQ(count(100, -100, -2, 5), 3);
  EXPECT_EQ(slice_range(100, -100, -2, 5).first, 4);
}

TEST(Sizes, Quotient) {
  const Dimension n("N"), m("M"), open;
  using Sizes = std::vector<Dimension>;
  EXPECT_EQ(quotient(Sizes{n, 3, 4}, Sizes{n, 2}), Dimension(6));
  EXPECT_EQ(quotient(Sizes{n, 4}, Sizes{4}), n);
  EXPECT_EQ(quotient(Sizes{n, 4}, Sizes{2}), open);
  EXPECT_EQ(quotient(Sizes{n, m}, Sizes{m}), n);
  EXPECT_EQ(quotient(Sizes{open, 4}, Sizes{open}), open);
  EXPECT_EQ(quotient(Sizes{7}, Sizes{2}), std::nullopt);
  EXPECT_EQ(quotient(Sizes{7}, Sizes{0}), open);
  EXPECT_EQ(quotient(Sizes{int64_t{1} << 40, int64_t{1} << 40}, Sizes{2}), open);
}

TEST(Sizes, Broadcast) {
  const Dimension n("N"), m("M"), open;
  EXPECT_EQ(broadcast_size(n, 1), n);
  EXPECT_EQ(broadcast_size(1, n), n);
  EXPECT_EQ(broadcast_size(n, 4), Dimension(4));
  EXPECT_EQ(broadcast_size(n, n), n);
  EXPECT_EQ(broadcast_size(n, m), open);
  EXPECT_EQ(broadcast_size(open, open), open);
  EXPECT_EQ(broadcast_size(0, 1), Dimension(0));
  EXPECT_EQ(broadcast_size(2, 3), std::nullopt);
}

}  // namespace
}  // namespace hearth::graph::infer
