// A Call for tests: one node, its inputs and attributes in, its outputs out; heap memory, one thread.
//   TestCall call("Add", 14, {tensor<float>({2}, {1, 2}), tensor<float>({}, {3})});
//   ASSERT_TRUE(call.run());
//   EXPECT_EQ(values<float>(call.out()), (std::vector<float>{4, 5}));
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "operators/kernel.h"
#include "tensor/element.h"

namespace hearth::operators {

// Small tensors: tensor<int64_t>({2}, {1, 2}); small float types from floats: tensor_of<Half>({2}, {1.5f, 2}).
template <class T>
Tensor tensor(const Dims& dims, std::initializer_list<T> values) {
  return Tensor::of<T>(dtype_of_type<T>, dims, std::span<const T>(values.begin(), values.size()));
}
template <class T>
Tensor tensor_of(const Dims& dims, const std::vector<double>& values) {
  auto made = Tensor::allocate(dtype_of_type<T>, dims);
  CHECK(made && made->size() == static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i) {
    if constexpr (std::is_arithmetic_v<T>)
      made->template mutable_data<T>()[i] = static_cast<T>(values[i]);
    else
      made->template mutable_data<T>()[i] = T(static_cast<float>(values[i]));
  }
  return std::move(*made);
}
template <class T>
std::vector<T> values(const Tensor& tensor) {
  CHECK(tensor.dtype() == dtype_of_type<T>);
  return std::vector<T>(tensor.data<T>(), tensor.data<T>() + tensor.size());
}
// The elements as doubles, whatever arithmetic or small float type they have.
template <class T>
std::vector<double> doubles(const Tensor& tensor) {
  CHECK(tensor.dtype() == dtype_of_type<T>);
  std::vector<double> all;
  for (int64_t i = 0; i < tensor.size(); ++i) all.push_back(static_cast<double>(tensor.data<T>()[i]));
  return all;
}

class TestCall final : public Call {
 public:
  // An empty Value among the inputs is an absent optional one.
  TestCall(std::string_view op_type, int64_t opset, std::vector<Value> inputs, int outputs = 1,
           std::string_view domain = "")
      : values_(std::move(inputs)), results_(static_cast<size_t>(outputs)) {
    held_.op_type = op_type;
    held_.domain = domain;
    for (size_t i = 0; i < values_.size(); ++i)
      held_.inputs.push_back(values_[i].empty() ? graph::kNoValue : static_cast<graph::ValueId>(i));
    for (int i = 0; i < outputs; ++i) held_.outputs.push_back(static_cast<graph::ValueId>(1000 + i));
    for (const Value& value : values_) pointers_.push_back(value.empty() ? nullptr : &value);
    inputs_ = pointers_;
    node_ = &held_;
    opset_ = opset;
  }
  TestCall(const TestCall&) = delete;
  TestCall& operator=(const TestCall&) = delete;

  TestCall& with(std::string_view attribute, graph::Attribute::Data data) {
    held_.set(attribute, std::move(data));
    return *this;
  }
  TestCall& with(std::string_view attribute, std::initializer_list<int64_t> ints) {
    return with(attribute, graph::Attribute::Data(std::vector<int64_t>(ints)));
  }
  TestCall& without_output(int i) {
    held_.outputs[static_cast<size_t>(i)] = graph::kNoValue;
    return *this;
  }
  TestCall& named(std::string name) {
    held_.name = std::move(name);
    return *this;
  }
  // Input i is a constant of the graph: the kernel's prepare sees it.
  TestCall& constant(int i) {
    constants_.push_back(i);
    return *this;
  }
  using GraphFunction = std::function<Result<std::vector<Value>>(std::string_view, std::vector<Value>)>;
  TestCall& graphs(GraphFunction function) {
    graphs_ = std::move(function);
    return *this;
  }

  // Finds the kernel for the opset, prepares, runs. A node that no kernel serves is Unsupported.
  Result<> run() {
    const KernelEntry* kernel = find_kernel(held_.domain, held_.op_type, opset_);
    if (kernel == nullptr) return unsupported("no kernel for opset {}", opset_);
    std::unique_ptr<Prepared> prepared;
    if (kernel->prepare != nullptr) {
      std::vector<const Tensor*> constants(values_.size(), nullptr);
      for (const int i : constants_) constants[static_cast<size_t>(i)] = values_[static_cast<size_t>(i)].tensor();
      ASSIGN_OR_RETURN(prepared, kernel->prepare(held_, opset_, constants));
    }
    prepared_ = prepared.get();
    for (size_t i = 0; prepared != nullptr && i < pointers_.size(); ++i)
      if (prepared->replaces >> i & 1) pointers_[i] = nullptr;  // as the runtime may
    const auto done = kernel->run(*this);
    prepared_ = nullptr;
    if (!done) return done;
    for (int i = 0; i < output_count(); ++i)
      if (wants(i) && !set_[i]) return invalid("output {} was not made", i);
    return {};
  }
  // The error's text; "" when the run succeeds.
  std::string error() {
    const auto done = run();
    return done ? std::string() : done.error().message;
  }

  const Value& result(int i = 0) const { return results_[static_cast<size_t>(i)]; }
  const Tensor& out(int i = 0) const {
    CHECK(result(i).tensor() != nullptr);
    return *result(i).tensor();
  }

  Result<Tensor*> output(int i, DType dtype, const Dims& dims) override {
    CHECK(wants(i));
    ASSIGN_OR_RETURN(Tensor made, Tensor::allocate(dtype, dims));
    results_[static_cast<size_t>(i)] = std::move(made);
    set_[i] = true;
    return results_[static_cast<size_t>(i)].tensor();
  }
  void set_output(int i, Value value) override {
    CHECK(wants(i));
    results_[static_cast<size_t>(i)] = std::move(value);
    set_[i] = true;
  }
  TensorMemory& memory() override { return heap_memory(); }
  Result<std::vector<Value>> run_graph(std::string_view attribute, std::vector<Value> inputs) override {
    if (!graphs_) return invalid("this test has no graphs; got a call of '{}'", attribute);
    return graphs_(attribute, std::move(inputs));
  }
  // Up to three ranges, the last one first: a body that needs the whole range or an order shows.
  void parallel(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) override {
    if (count <= 0) return;
    const int64_t ranges = std::clamp<int64_t>(count / std::max<int64_t>(grain, 1), 1, 3);
    for (int64_t i = ranges; i-- > 0;) body(count * i / ranges, count * (i + 1) / ranges);
  }
  Result<> check_cancelled() override {
    if (!cancelled) return {};
    return fail(ErrorKind::Cancelled, "[test] cancelled");
  }
  bool cancelled = false;

 private:
  graph::Node held_;
  std::vector<Value> values_;
  std::vector<const Value*> pointers_;
  std::vector<Value> results_;
  std::map<int, bool> set_;
  std::vector<int> constants_;
  GraphFunction graphs_;
};

}  // namespace hearth::operators
