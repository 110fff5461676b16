// What validate() accepts and what its refusals say.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <set>
#include <vector>

#include "ops/op.h"

namespace {
size_t allocations = 0;  // by operator new of this program
}

#ifndef __SANITIZE_ADDRESS__  // the sanitizer has its own, and pairs them with every form of delete
void* operator new(size_t bytes) {
  ++allocations;
  if (void* data = std::malloc(bytes)) return data;
  throw std::bad_alloc();
}
// Not inlined: gcc would hold std::free against a new that it did not inline.
[[gnu::noinline]] void operator delete(void* data) noexcept {
  std::free(data);
}
[[gnu::noinline]] void operator delete(void* data, size_t) noexcept {
  std::free(data);
}
#endif

namespace hearth::ops {
namespace {

float storage[64];

HearthOpCall matmul(int64_t m, int64_t n, int64_t k) {
  HearthOpCall call{};
  call.inputs[0] = view(storage, DType::F32, {m, k});
  call.inputs[1] = view(storage, DType::F32, {n, k});
  call.outputs[0] = view(storage, DType::F32, {m, n});
  return call;
}

std::string refusal(Op op, const HearthOpCall& call) {
  const auto checked = validate(op, call);
  return checked ? "accepted" : checked.error().message;
}

TEST(Inventory, NamesAreUniqueAndFound) {
  std::set<std::string_view> names;
  for (const OpInfo& op : inventory()) {
    EXPECT_TRUE(names.insert(op.name).second) << op.name;
    EXPECT_EQ(find_op(op.name), &op);
    EXPECT_EQ(&info(op.op), &op);
    EXPECT_FALSE(op.doc.empty()) << op.name;
    EXPECT_LE(op.inputs.size(), HEARTH_MAX_INPUTS);
    EXPECT_LE(op.outputs.size(), HEARTH_MAX_OUTPUTS);
  }
  EXPECT_EQ(find_op("matmull"), nullptr);
}

TEST(Inventory, AttributesCarryOffsetsAndDefaults) {
  const OpInfo& op = info(Op::PagedAttention);
  ASSERT_EQ(op.attributes.size(), 3u);
  EXPECT_EQ(op.attributes[2].name, "window");
  EXPECT_EQ(op.attributes[2].offset, offsetof(PagedAttentionAttributes, window));
  EXPECT_FALSE(op.attributes[2].is_float);
  EXPECT_TRUE(op.attributes[0].is_float);
  EXPECT_EQ(op.attributes[0].value, 1.0);
  EXPECT_TRUE(info(Op::Matmul).attributes.empty());
}

TEST(Validate, AcceptsAGoodCallWithoutAllocating) {
  const HearthOpCall call = matmul(2, 3, 4);
  ASSERT_TRUE(validate(Op::Matmul, call));  // the optional inputs are absent
  const size_t before = allocations;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(validate(Op::Matmul, call));
  EXPECT_EQ(allocations, before);
}

TEST(Validate, SameSymbolSameSize) {
  HearthOpCall call = matmul(2, 3, 4);
  call.inputs[1].dims[1] = 5;
  call.inputs[1].strides[0] = 5;
  EXPECT_EQ(refusal(Op::Matmul, call), "[matmul] dimension 1 of w (n k); got 5, need 4");
  call = matmul(2, 3, 4);
  call.inputs[2] = view(storage, DType::F32, {4});
  EXPECT_EQ(refusal(Op::Matmul, call), "[matmul] dimension 0 of bias (n); got 4, need 3");
}

TEST(Validate, RanksTypesAndData) {
  HearthOpCall call = matmul(2, 3, 4);
  call.inputs[0].rank = 1;
  EXPECT_EQ(refusal(Op::Matmul, call), "[matmul] rank of x; got 1, need 2 (m k)");
  call = matmul(2, 3, 4);
  call.inputs[0].dtype = static_cast<int32_t>(DType::I32);
  EXPECT_EQ(refusal(Op::Matmul, call), "[matmul] type of x; got i32, need one that docs/ops.md lists");
  call.inputs[0].dtype = 999;
  EXPECT_NE(refusal(Op::Matmul, call).find("got number 999"), std::string::npos);
  call = matmul(2, 3, 4);
  call.outputs[0].data = nullptr;
  EXPECT_EQ(refusal(Op::Matmul, call), "[matmul] y has no data");
  call = matmul(0, 3, 4);
  call.outputs[0].data = nullptr;  // nothing to write
  EXPECT_EQ(refusal(Op::Matmul, call), "accepted");
}

TEST(Validate, SameTypeAsInputNought) {
  HearthOpCall call{};
  call.inputs[0] = view(storage, DType::BF16, {2, 4});
  call.inputs[1] = view(storage, DType::BF16, {2, 4});
  call.outputs[0] = view(storage, DType::F32, {2, 4});
  EXPECT_EQ(refusal(Op::Add, call), "[add] type of y; got f32, need bf16");
}

TEST(Validate, TwiceAndOneMore) {
  HearthOpCall call{};
  call.inputs[0] = view(storage, DType::F32, {2, 7});
  call.outputs[0] = view(storage, DType::F32, {2, 3});
  EXPECT_NE(refusal(Op::GatedSilu, call).find("dimension 1 of x (m n2); got 7"), std::string::npos);
  call.inputs[0] = view(storage, DType::F32, {2, 6});
  EXPECT_EQ(refusal(Op::GatedSilu, call), "accepted");

  HearthOpCall attention{};
  attention.inputs[0] = view(storage, DType::F32, {1, 2, 4});
  attention.inputs[1] = attention.inputs[2] = view(storage, DType::F32, {1, 1, 2, 4});
  attention.inputs[3] = view(storage, DType::I32, {2});
  attention.inputs[4] = view(storage, DType::I32, {1});
  attention.inputs[5] = view(storage, DType::I32, {2});
  attention.inputs[6] = view(storage, DType::I32, {1});
  attention.outputs[0] = view(storage, DType::F32, {1, 2, 4});
  EXPECT_EQ(refusal(Op::PagedAttention, attention), "accepted");
  attention.inputs[5] = view(storage, DType::I32, {3});
  EXPECT_NE(refusal(Op::PagedAttention, attention).find("page_indptr (s1); got 3, need 2"), std::string::npos);
}

TEST(Validate, RelationsThatSymbolsCannotSay) {
  HearthOpCall attention{};
  attention.inputs[0] = view(storage, DType::F32, {1, 3, 4});
  attention.inputs[1] = attention.inputs[2] = view(storage, DType::F32, {1, 2, 2, 4});
  attention.inputs[3] = attention.inputs[5] = view(storage, DType::I32, {2});
  attention.inputs[4] = attention.inputs[6] = view(storage, DType::I32, {1});
  attention.outputs[0] = view(storage, DType::F32, {1, 3, 4});
  EXPECT_EQ(refusal(Op::PagedAttention, attention), "[paged_attention] query heads; got 3, need a multiple of 2");

  HearthOpCall mask{};
  mask.inputs[0] = mask.outputs[0] = view(storage, DType::F32, {1, 33});
  mask.inputs[1] = view(storage, DType::U32, {1, 1});
  EXPECT_EQ(refusal(Op::MaskLogits, mask), "[mask_logits] words of mask; got 1, need 2");

  HearthOpCall top{};
  top.inputs[0] = view(storage, DType::F32, {1, 3});
  top.outputs[0] = view(storage, DType::F32, {1, 4});
  top.outputs[1] = view(storage, DType::I32, {1, 4});
  EXPECT_EQ(refusal(Op::TopK, top), "[top_k] k; got 4, need at most 3");
}

TEST(Validate, StridesOfRowsOnly) {
  HearthOpCall call = matmul(2, 3, 4);
  call.inputs[0].strides[0] = 9;
  EXPECT_EQ(refusal(Op::Matmul, call), "accepted");
  call.inputs[0].strides[1] = 2;
  EXPECT_NE(refusal(Op::Matmul, call).find("stride 1 of x; got 2, need 1"), std::string::npos);
  call = matmul(2, 3, 4);
  call.outputs[0].strides[0] = 2;
  EXPECT_NE(refusal(Op::Matmul, call).find("rows of y overlap"), std::string::npos);
}

TEST(Validate, QuantisedRowsAreWholeBlocks) {
  HearthOpCall call = matmul(2, 3, 48);
  call.inputs[1].dtype = static_cast<int32_t>(DType::Q8_0);
  EXPECT_NE(refusal(Op::Matmul, call).find("need whole blocks of 32 (q8_0)"), std::string::npos);
}

TEST(Validate, BeforeACommaEveryDimensionMayBeStrided) {
  HearthOpCall call{};
  call.inputs[0] = view(storage, DType::F32, {2, 1, 2, 3});
  call.inputs[1] = view(storage, DType::F32, {4, 3, 1, 1});
  call.outputs[0] = view(storage, DType::F32, {2, 1, 2, 4});
  EXPECT_EQ(refusal(Op::Conv2d, call), "accepted");
  call.inputs[0].strides[2] = 5;  // pixels
  EXPECT_NE(refusal(Op::Conv2d, call).find("rows of x overlap; got stride 6, need at least 10"), std::string::npos);
  call.inputs[0].strides[0] = 11;
  EXPECT_EQ(refusal(Op::Conv2d, call), "accepted");
  call.inputs[0].strides[3] = 2;
  EXPECT_NE(refusal(Op::Conv2d, call).find("stride 3 of x; got 2, need 1"), std::string::npos);
}

TEST(Validate, ADimensionMayBeOneForAll) {
  HearthOpCall call{};
  call.inputs[0] = call.inputs[1] = call.inputs[2] = view(storage, DType::F32, {2, 3, 1, 4});
  call.outputs[0] = view(storage, DType::F32, {2, 3, 1, 4});
  call.inputs[3] = view(storage, DType::F32, {1, 1, 3, 1});
  EXPECT_EQ(refusal(Op::DenseAttention, call), "accepted");
  call.inputs[3] = view(storage, DType::F32, {2, 1, 1, 3});
  EXPECT_EQ(refusal(Op::DenseAttention, call), "accepted");
  call.inputs[3] = view(storage, DType::F32, {1, 1, 2, 1});
  EXPECT_EQ(refusal(Op::DenseAttention, call),
            "[dense_attention] dimension 2 of mask (b|1 h|1 r|1 n|1); got 2, need 3");
}

TEST(Validate, ChoicesAreNumbersOfTheirList) {
  EXPECT_EQ(choice_word(kConvAlgorithms, 2), "winograd");
  EXPECT_EQ(choice_word(kConvAlgorithms, 4), "");
  EXPECT_EQ(choice_word(kConvAlgorithms, -1), "");
  EXPECT_EQ(choice_number(kConvAlgorithms, "depthwise"), 3);
  EXPECT_EQ(choice_number(kConvAlgorithms, "wino"), -1);
  EXPECT_EQ(choice_word(kActivations, 0), "none");
  EXPECT_EQ(step_of_activation(choice_number(kActivations, "square")), Pointwise::Square);
  EXPECT_EQ(choice_number(kPointwiseSteps, "square"), static_cast<int32_t>(Pointwise::Square));
  EXPECT_EQ(choice_number(kPointwiseSteps, "none"), -1);

  HearthOpCall call{};
  call.inputs[0] = call.outputs[0] = view(storage, DType::F32, {1, 2, 2, 3});
  Pool2dAttributes a;
  call.attributes = &a;
  EXPECT_EQ(refusal(Op::Pool2d, call), "accepted");
  a.kind = 3;
  EXPECT_EQ(refusal(Op::Pool2d, call), "[pool2d] kind; got 3, need the number of one of max average average_with_pads");
  a.kind = -1;
  EXPECT_NE(refusal(Op::Pool2d, call).find("got -1"), std::string::npos);
}

TEST(Validate, WindowsAndGroups) {
  HearthOpCall call{};
  call.inputs[0] = view(storage, DType::F32, {1, 2, 2, 4});
  call.inputs[1] = view(storage, DType::F32, {6, 2, 1, 1});
  call.outputs[0] = view(storage, DType::F32, {1, 2, 2, 6});
  const auto with = [&](const Conv2dAttributes& a) {
    call.attributes = &a;
    return refusal(Op::Conv2d, call);
  };
  EXPECT_EQ(with({.groups = 2}), "accepted");
  EXPECT_EQ(with({.groups = 1}), "[conv2d] channels of x; got 4, need 1 groups of 2");
  EXPECT_EQ(with({.groups = 0}), "[conv2d] groups; got 0, need at least 1");
  EXPECT_EQ(with({.stride_width = 0, .groups = 2}), "[conv2d] strides and dilations; got 0, need at least 1");
  EXPECT_EQ(with({.pad_left = -1, .groups = 2}), "[conv2d] pads; got -1, need at least 0");
  call.inputs[1] = view(storage, DType::F32, {6, 2, 0, 1});
  EXPECT_NE(with({.groups = 2}).find("[conv2d] kernel; got 0, need 1 to"), std::string::npos);
  call.inputs[1] = view(storage, DType::F32, {5, 2, 1, 1});
  call.outputs[0] = view(storage, DType::F32, {1, 2, 2, 5});
  EXPECT_EQ(with({.groups = 2}), "[conv2d] output channels; got 5, need a multiple of 2");

  HearthOpCall pool{};
  pool.inputs[0] = pool.outputs[0] = view(storage, DType::F32, {1, 2, 2, 3});
  const Pool2dAttributes huge{.kernel_height = 1 << 20, .kernel_width = 1 << 20};
  pool.attributes = &huge;
  EXPECT_NE(refusal(Op::Pool2d, pool).find("[pool2d] kernel; got 1048576 by 1048576"), std::string::npos);
}

TEST(Validate, StepsHaveTheOperandTheyNeed) {
  HearthOpCall call{};
  call.inputs[0] = call.outputs[0] = view(storage, DType::F32, {2, 3});
  PointwiseAttributes a{.step = choice_number(kPointwiseSteps, "relu")};
  call.attributes = &a;
  EXPECT_EQ(refusal(Op::Pointwise, call), "accepted");
  a.step = choice_number(kPointwiseSteps, "prelu");
  EXPECT_EQ(refusal(Op::Pointwise, call), "[pointwise] operand; got none, need one for prelu");
  call.inputs[1] = view(storage, DType::F32, {2, 1});
  EXPECT_EQ(refusal(Op::Pointwise, call), "accepted");
  a.step = choice_number(kPointwiseSteps, "relu");
  EXPECT_EQ(refusal(Op::Pointwise, call), "[pointwise] operand; got one, need none for relu");
}

TEST(Validate, OnlyWeightsMayBePacked) {
  HearthOpCall call = matmul(2, 3, 4);
  call.inputs[0].layout = static_cast<int32_t>(Layout::CpuPanel8);
  EXPECT_EQ(refusal(Op::Matmul, call), "[matmul] x is packed; only weights may be");
  call = matmul(2, 3, 3);
  call.inputs[1].layout = static_cast<int32_t>(Layout::CpuPanel8);
  EXPECT_EQ(refusal(Op::DenseMatmul, call), "[dense_matmul] w is packed; only weights may be");
}

}  // namespace
}  // namespace hearth::ops
