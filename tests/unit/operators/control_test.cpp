// Loops and branches; their bodies are functions of the test.
#include <climits>

#include "test_call.h"

namespace hearth::operators {
namespace {

using Values = std::vector<Value>;
using Longs = std::vector<int64_t>;

Tensor scalar(int64_t value) {
  return tensor<int64_t>({}, {value});
}
Tensor truth(bool value) {
  return tensor<bool>({}, {value});
}
int64_t number(const Value& value) {
  return *value.tensor()->data<int64_t>();
}

// A body that declares so many inputs, and outputs of int64 with these sizes.
std::unique_ptr<graph::Graph> body(size_t inputs, std::vector<graph::Shape> outputs) {
  auto made = std::make_unique<graph::Graph>();
  for (size_t i = 0; i < inputs; ++i) made->inputs.push_back(made->add_value("in"));
  for (auto& shape : outputs)
    made->outputs.push_back(made->add_value("out", graph::Type::tensor(DType::I64, std::move(shape))));
  return made;
}

TEST(If, RunsOneBranch) {
  for (const bool condition : {true, false}) {
    TestCall call("If", 16, {truth(condition)});
    std::vector<std::string> ran;
    call.graphs([&](std::string_view branch, Values) -> Result<Values> {
      ran.emplace_back(branch);
      return Values{scalar(condition ? 1 : 2)};
    });
    ASSERT_TRUE(call.run());
    EXPECT_EQ(ran, (std::vector<std::string>{condition ? "then_branch" : "else_branch"}));
    EXPECT_EQ(number(call.result()), condition ? 1 : 2);
  }
  EXPECT_NE(TestCall("If", 16, {scalar(1)}).error().find("one boolean"), std::string::npos);
  EXPECT_NE(TestCall("If", 16, {tensor<bool>({2}, {true, false})}).error().find("one boolean"), std::string::npos);
}

// condition, state, stacked square of the iteration.
Result<Values> count_and_square(std::string_view, Values inputs) {
  const int64_t i = number(inputs[0]), sum = number(inputs[2]);
  return Values{truth(sum + i < 3), scalar(sum + i), tensor<int64_t>({1}, {i * i})};
}

TEST(Loop, EndsByTripCountOrCondition) {
  const auto run = [](Value trips, Value condition) {
    TestCall call("Loop", 16, {std::move(trips), std::move(condition), scalar(0)}, 2);
    call.with("body", graph::Attribute::Data(body(3, {{}, {}, {1}}))).graphs(count_and_square);
    const auto done = call.run();
    EXPECT_TRUE(done) << done.error().message;
    return std::pair(number(call.result(0)), values<int64_t>(call.out(1)));
  };
  EXPECT_EQ(run(scalar(5), {}), std::pair(int64_t{10}, Longs({0, 1, 4, 9, 16})));  // the condition is ignored
  EXPECT_EQ(run({}, truth(true)), std::pair(int64_t{3}, Longs({0, 1, 4})));
  EXPECT_EQ(run(scalar(2), truth(true)), std::pair(int64_t{1}, Longs({0, 1})));
  EXPECT_EQ(run(scalar(INT64_MAX), truth(true)), std::pair(int64_t{3}, Longs({0, 1, 4})));
}

TEST(Loop, WithoutIterationsItsStackIsEmpty) {
  for (const auto& [trips, condition] : std::vector<std::pair<int64_t, bool>>{{0, true}, {-3, true}, {5, false}}) {
    TestCall call("Loop", 16, {scalar(trips), truth(condition), scalar(7)}, 2);
    call.with("body", graph::Attribute::Data(body(3, {{}, {}, {4, graph::Dimension("n")}}))).graphs(count_and_square);
    ASSERT_TRUE(call.run());
    EXPECT_EQ(number(call.result(0)), 7);
    EXPECT_EQ(call.out(1).dims(), (Dims{0, 4, 0}));
  }
}

TEST(Loop, GrowsItsStackPastTheFirstRoom) {
  TestCall call("Loop", 16, {{}, truth(true)}, 1);
  call.with("body", graph::Attribute::Data(body(2, {{}, {2}})));
  call.graphs([](std::string_view, Values inputs) -> Result<Values> {
    const int64_t i = number(inputs[0]);
    return Values{truth(i < 999), tensor<int64_t>({2}, {i, -i})};
  });
  ASSERT_TRUE(call.run());
  ASSERT_EQ(call.out().dims(), (Dims{1000, 2}));
  for (int64_t i = 0; i < 1000; ++i) ASSERT_EQ(call.out().data<int64_t>()[2 * i + 1], -i);
}

TEST(Loop, CarriesSequencesAndNothing) {
  TestCall call("Loop", 16, {scalar(3), {}, {}}, 1);
  call.with("body", graph::Attribute::Data(body(3, {{}, {}})));
  call.graphs([](std::string_view, Values inputs) -> Result<Values> {
    Sequence next{DType::I64, {}};
    if (const Sequence* before = inputs[2].sequence()) next = *before;
    next.items.push_back(inputs[0]);
    return Values{inputs[1], Value(std::make_shared<const Sequence>(std::move(next)))};
  });
  ASSERT_TRUE(call.run());
  ASSERT_NE(call.result().sequence(), nullptr);
  EXPECT_EQ(call.result().sequence()->items.size(), 3u);
}

TEST(Loop, RefusesWhatNeverEndsOrChangesItsShape) {
  TestCall endless("Loop", 16, {{}, {}, scalar(0)}, 2);
  endless.with("body", graph::Attribute::Data(body(3, {{}, {}, {}}))).graphs(count_and_square);
  EXPECT_NE(endless.error().find("never end"), std::string::npos);
  TestCall uneven("Loop", 16, {scalar(3), {}}, 1);
  uneven.with("body", graph::Attribute::Data(body(2, {{}, {}})));
  uneven.graphs([](std::string_view, Values inputs) -> Result<Values> {
    return Values{inputs[1], number(inputs[0]) == 0 ? scalar(1) : tensor<int64_t>({1}, {1})};
  });
  EXPECT_NE(uneven.error().find("the same in every iteration"), std::string::npos);
  TestCall cancelled("Loop", 16, {scalar(INT64_MAX), {}, scalar(0)}, 1);
  cancelled.with("body", graph::Attribute::Data(body(3, {{}, {}})));
  cancelled.graphs([&](std::string_view, Values inputs) -> Result<Values> {
    cancelled.cancelled = number(inputs[0]) == 5;
    return Values{inputs[1], inputs[2]};
  });
  const auto done = cancelled.run();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::Cancelled);
}

TEST(Loop, AStackHasALimit) {
  // Refused before anything of it is copied: there is nothing to copy.
  TestCall call("Loop", 16, {{}, truth(true)}, 1);
  const Tensor large = Tensor::borrow("", DType::I64, {(int64_t{1} << 31) + 1}, nullptr);
  call.with("body", graph::Attribute::Data(body(2, {{}, {}})));
  call.graphs([&](std::string_view, Values inputs) -> Result<Values> { return Values{inputs[1], large}; });
  EXPECT_NE(call.error().find("bytes"), std::string::npos);
}

// state + element, element · 2
Result<Values> add_and_double(std::string_view, Values inputs) {
  const Tensor& element = *inputs[1].tensor();
  auto twice = element.clone();
  for (int64_t i = 0; i < element.size(); ++i) twice->mutable_data<int64_t>()[i] *= 2;
  int64_t sum = number(inputs[0]);
  for (int64_t i = 0; i < element.size(); ++i) sum = sum * 10 + element.data<int64_t>()[i];
  return Values{scalar(sum), *twice};
}

TEST(Scan, TakesAxesAndDirections) {
  const Tensor data = tensor<int64_t>({2, 3}, {1, 2, 3, 4, 5, 6});
  TestCall call("Scan", 11, {scalar(0), data}, 2);
  call.with("body", graph::Attribute::Data(body(2, {{}, {2}}))).with("num_scan_inputs", int64_t{1});
  call.with("scan_input_axes", {-1}).with("scan_input_directions", {1});
  call.with("scan_output_axes", {1}).with("scan_output_directions", {1}).graphs(add_and_double);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(number(call.result(0)), 362514);  // columns from the last to the first
  EXPECT_EQ(call.out(1).dims(), (Dims{2, 3}));
  EXPECT_EQ(values<int64_t>(call.out(1)), (Longs{2, 4, 6, 8, 10, 12}));  // prepended: in order again
}

TEST(Scan, WithoutPositionsTheStackIsEmpty) {
  auto none = Tensor::allocate(DType::I64, {0, 2});
  TestCall call("Scan", 11, {scalar(9), *none}, 2);
  call.with("body", graph::Attribute::Data(body(2, {{}, {2}})))
      .with("num_scan_inputs", int64_t{1})
      .graphs(add_and_double);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(number(call.result(0)), 9);
  EXPECT_EQ(call.out(1).dims(), (Dims{0, 2}));
}

TEST(Scan, Opset8RunsEachSampleByItself) {
  const Tensor states = tensor<int64_t>({2}, {0, 0}), data = tensor<int64_t>({2, 3, 1}, {1, 2, 3, 4, 5, 6});
  TestCall call("Scan", 8, {tensor<int64_t>({2}, {3, 2}), states, data}, 2);
  call.with("body", graph::Attribute::Data(body(2, {{}, {1}})))
      .with("num_scan_inputs", int64_t{1})
      .graphs(add_and_double);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(values<int64_t>(call.out(0)), (Longs{123, 45}));
  EXPECT_EQ(call.out(1).dims(), (Dims{2, 3, 1}));
  EXPECT_EQ(values<int64_t>(call.out(1)), (Longs{2, 4, 6, 8, 10, 0}));  // padded
  TestCall wrong("Scan", 8, {tensor<int64_t>({2}, {3, 4}), states, data}, 2);
  wrong.with("body", graph::Attribute::Data(body(2, {{}, {1}})))
      .with("num_scan_inputs", int64_t{1})
      .graphs(add_and_double);
  EXPECT_NE(wrong.error().find("sequence length; got 4"), std::string::npos);
}

// ---- sequences and optionals
// ------------------------------------------------------------------------------------------

Value sequence(std::vector<Tensor> tensors) {
  Sequence made{tensors.empty() ? DType::F32 : tensors[0].dtype(), {}};
  for (Tensor& tensor : tensors) made.items.emplace_back(std::move(tensor));
  return Value(std::make_shared<const Sequence>(std::move(made)));
}

TEST(Sequence, IsEditedAtPositionsFromBothEnds) {
  const Value three = sequence({scalar(0), scalar(1), scalar(2)});
  TestCall at("SequenceAt", 11, {three, tensor<int32_t>({}, {-1})});
  ASSERT_TRUE(at.run());
  EXPECT_EQ(number(at.result()), 2);
  TestCall inserted("SequenceInsert", 11, {three, scalar(9), scalar(-3)});
  ASSERT_TRUE(inserted.run());
  EXPECT_EQ(number(inserted.result().sequence()->items[0]), 9);
  EXPECT_EQ(three.sequence()->items.size(), 3u);  // the input stays as it was
  TestCall erased("SequenceErase", 11, {three});
  ASSERT_TRUE(erased.run());
  EXPECT_EQ(number(erased.result().sequence()->items.back()), 1);
  TestCall length("SequenceLength", 11, {three});
  ASSERT_TRUE(length.run());
  EXPECT_EQ(number(length.result()), 3);
  EXPECT_NE(TestCall("SequenceAt", 11, {three, scalar(3)}).error().find("got 3"), std::string::npos);
  EXPECT_NE(TestCall("SequenceErase", 11, {sequence({})}).error().find("index"), std::string::npos);
  EXPECT_NE(TestCall("SequenceInsert", 11, {three, scalar(9), scalar(4)}).error().find("got 4"), std::string::npos);
  EXPECT_NE(TestCall("SequenceInsert", 11, {three, truth(true)}).error().find("need i64"), std::string::npos);
  EXPECT_NE(TestCall("SequenceLength", 11, {scalar(1)}).error().find("no sequence"), std::string::npos);
}

TEST(SplitToSequence, KeepsOrDropsTheAxis) {
  const Tensor data = tensor<int64_t>({3}, {1, 2, 3});
  TestCall dropped("SplitToSequence", 11, {data});
  ASSERT_TRUE(dropped.with("keepdims", int64_t{0}).run());
  EXPECT_EQ(dropped.result().sequence()->items[2].tensor()->rank(), 0);
  TestCall pairs("SplitToSequence", 11, {data, scalar(2)});
  ASSERT_TRUE(pairs.with("keepdims", int64_t{0}).run());  // ignored beside sizes
  ASSERT_EQ(pairs.result().sequence()->items.size(), 2u);
  EXPECT_EQ(values<int64_t>(*pairs.result().sequence()->items[1].tensor()), (Longs{3}));
  EXPECT_NE(TestCall("SplitToSequence", 11, {data, scalar(0)}).error().find("at least 1"), std::string::npos);
  EXPECT_NE(TestCall("SplitToSequence", 11, {data, tensor<int64_t>({2}, {1, 1})}).error().find("sum of 2"),
            std::string::npos);
  auto wide = Tensor::allocate(DType::F32, {int64_t{1} << 40, 0});
  EXPECT_NE(TestCall("SplitToSequence", 11, {*wide}).error().find("length of the sequence"), std::string::npos);
}

TEST(ConcatFromSequence, StacksAlongANewAxis) {
  const Value two = sequence({tensor<int64_t>({2}, {1, 2}), tensor<int64_t>({2}, {3, 4})});
  TestCall call("ConcatFromSequence", 11, {two});
  ASSERT_TRUE(call.with("axis", int64_t{-1}).with("new_axis", int64_t{1}).run());
  EXPECT_EQ(call.out().dims(), (Dims{2, 2}));
  EXPECT_EQ(values<int64_t>(call.out()), (Longs{1, 3, 2, 4}));
  EXPECT_NE(TestCall("ConcatFromSequence", 11, {sequence({})}).with("axis", int64_t{0}).error().find("no tensors"),
            std::string::npos);
}

TEST(SequenceMap, PairsSequencesAndRepeatsTensors) {
  TestCall call("SequenceMap", 17, {sequence({scalar(1), scalar(2)}), scalar(10), sequence({scalar(5), scalar(6)})});
  call.with("body", graph::Attribute::Data(body(3, {{}})));
  call.graphs([](std::string_view, Values inputs) -> Result<Values> {
    return Values{scalar(number(inputs[0]) * number(inputs[1]) + number(inputs[2]))};
  });
  ASSERT_TRUE(call.run());
  EXPECT_EQ(number(call.result().sequence()->items[1]), 26);
  TestCall uneven("SequenceMap", 17, {sequence({scalar(1)}), sequence({})});
  EXPECT_NE(uneven.with("body", graph::Attribute::Data(body(2, {{}}))).error().find("lengths"), std::string::npos);
}

TEST(Optional, IsItsElementOrNothing) {
  TestCall empty("OptionalHasElement", 18, {});
  ASSERT_TRUE(empty.run());
  EXPECT_FALSE(*empty.out().data<bool>());
  TestCall full("OptionalHasElement", 18, {scalar(1)});
  ASSERT_TRUE(full.run());
  EXPECT_TRUE(*full.out().data<bool>());
  EXPECT_NE(TestCall("OptionalGetElement", 18, {{}}).error().find("empty optional"), std::string::npos);
  TestCall typed("Optional", 15, {});
  ASSERT_TRUE(typed.with("type", graph::Attribute::Data(graph::Type::tensor(DType::F32))).run());
  EXPECT_TRUE(typed.result().empty());
}

}  // namespace
}  // namespace hearth::operators
