// What a function that infers the outputs of one operator sees: the node, what is known of its inputs, and where the
// answer goes. An answer left out stays open; the element types of outputs that the schema ties to an input are filled
// in afterwards.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "graph/infer/known_value.h"
#include "graph/infer/sizes.h"
#include "graph/schema.h"

namespace hearth::graph::infer {

// What is known of a value.
struct ValueFacts {
  Type type;
  const KnownValue* known = nullptr;
  const Tensor* constant = nullptr;
};

class InferContext {
 public:
  virtual ~InferContext() = default;

  const Node& node() const { return *node_; }
  int64_t opset() const { return opset_; }

  size_t input_count() const { return inputs_.size(); }
  size_t output_count() const { return outputs_.size(); }
  bool has(size_t i) const { return i < inputs_.size() && node_->inputs[i] != kNoValue; }
  // Unknown for an absent input.
  const Type& input(size_t i) const;
  // The shape of input i when it is a tensor with a known rank, else nullptr.
  const Shape* shape(size_t i) const;
  std::optional<DType> dtype(size_t i) const { return input(i).dtype; }

  // Elements of input i as far as they are known; nullptr when nothing is.
  const KnownValue* known(size_t i) const;
  // All elements of input i, which are integers.
  std::optional<std::vector<int64_t>> integers(size_t i) const;
  std::optional<int64_t> integer(size_t i) const;  // of one element
  // The elements of a rank-1 input as sizes, some of them perhaps unknown; nullopt when not even their number is known.
  // Invalid when one is negative.
  Result<std::optional<Shape>> sizes(size_t i) const;
  const Tensor* constant(size_t i) const;

  void set_type(size_t i, Type type);
  void set_dtype(size_t i, DType dtype);
  void set_shape(size_t i, Shape shape);  // of a tensor
  void set_known(size_t i, KnownValue value);
  const std::optional<KnownValue>& known_output(size_t i) const { return outputs_[i].known; }
  const Type& output(size_t i) const { return outputs_[i].type; }
  // Output i has the shape of input j, if that is known.
  void same_shape(size_t input = 0, size_t output = 0);

  // A dimension of a tensor of this rank, counted from the back when negative; the range is [-rank, rank).
  Result<size_t> axis(int64_t axis, size_t rank, std::string_view name = "axis") const;
  Result<std::vector<size_t>> axes(std::span<const int64_t> axes, size_t rank) const;
  // Invalid when input i is a tensor whose rank is known and another one.
  Result<> need_rank(size_t i, size_t rank) const;
  // An attribute that holds a TensorProto.DataType.
  Result<std::optional<DType>> dtype_attribute(std::string_view name) const;

  // Infers a graph of the node and returns what is known of its outputs. A type that is Unknown leaves what the graph
  // declares of that input.
  virtual Result<std::vector<ValueFacts>> run_graph(std::string_view attribute, std::span<const ValueFacts> inputs) = 0;
  // What run_graph found in the graph's values is forgotten: the next run starts from what the model declares.
  virtual void forget_graph(std::string_view attribute) = 0;
  // Output 0's size along the axis is the smaller one of the symbol's and a known size of at least 1.
  virtual void note_clipped(size_t axis, const std::string& symbol) = 0;
  // Graphs around this one. Running a graph several times costs a power of this.
  virtual int depth() const = 0;

  // Names of inputs with their types, for errors: "'a' float[2,3] and 'b' float[4]".
  std::string describe_inputs() const;
  std::string describe(size_t i) const;

  template <class... Args>
  [[nodiscard]] std::unexpected<Error> invalid(fmt::format_string<Args...> text, Args&&... args) const {
    return fail(ErrorKind::Invalid, text, std::forward<Args>(args)...);
  }

 protected:
  struct Output {
    Type type;
    std::optional<KnownValue> known;
  };
  const Graph* graph_ = nullptr;
  const Node* node_ = nullptr;
  int64_t opset_ = 0;
  std::vector<ValueFacts> inputs_;
  std::vector<Output> outputs_;
};

using InferFunction = Result<> (*)(InferContext& context);

}  // namespace hearth::graph::infer
