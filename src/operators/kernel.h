// How an ONNX operator is computed on the host: one function a kernel, one explicit table a family.
// A kernel checks what the types and the verifier cannot (sizes, ranges, values), allocates its outputs through the
// call and never throws. It is told everything by the call; it keeps nothing. What depends on constant inputs only
// (packed weights) is made once by `prepare`.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "graph/graph.h"
#include "tensor/value.h"

namespace hearth::ops::cpu {
class ThreadPool;
}

namespace hearth::operators {

// What a kernel made of its constant inputs.
struct Prepared {
  virtual ~Prepared() = default;
  // Bit i: run reads no element of input i any more, so the runtime may let the constant go and pass the input as
  // absent.
  uint32_t replaces = 0;
  size_t bytes = 0;  // of the weights it holds
};

// One execution of one node.
class Call {
 public:
  virtual ~Call() = default;

  const graph::Node& node() const { return *node_; }
  // The model's opset of the node's domain: operators whose meaning changed look here.
  int64_t opset() const { return opset_; }

  // Inputs: trailing absent ones may or may not be counted.
  int input_count() const { return static_cast<int>(inputs_.size()); }
  bool has(int i) const { return i < input_count() && inputs_[static_cast<size_t>(i)] != nullptr && !value(i).empty(); }
  const Value& value(int i) const { return *inputs_[static_cast<size_t>(i)]; }
  // Input i as a tensor. CHECKs has(i); tensor_or_fail() when a model may be wrong about it.
  const Tensor& input(int i) const { return *value(i).tensor(); }
  // Invalid when the input is absent or no tensor: the first line of every kernel for its required inputs.
  Result<const Tensor*> tensor(int i) const;

  // Outputs.
  int output_count() const { return static_cast<int>(node().outputs.size()); }
  bool wants(int i) const { return i < output_count() && node().outputs[static_cast<size_t>(i)] != graph::kNoValue; }
  // A fresh tensor for output i, uninitialised; it is the output once this returns. The pointer lives until the kernel
  // ends.
  virtual Result<Tensor*> output(int i, DType dtype, const Dims& dims) = 0;
  // The same in the memory of input `input` when that dies with this call, nobody else holds it and it has as many
  // bytes (its elements are then still there); else fresh. For kernels that read an element of it for the last time
  // before they write the element of the same place.
  virtual Result<Tensor*> output_reusing(int i, int input, DType dtype, const Dims& dims) {
    static_cast<void>(input);
    return output(i, dtype, dims);
  }
  // Any other value: a reshaped or borrowed input, a sequence, an absent optional.
  virtual void set_output(int i, Value value) = 0;
  // Scratch that counts against the session's memory.
  virtual TensorMemory& memory() = 0;

  // Runs an attribute's graph: `inputs` in the order of its inputs; captured values are found by the runtime.
  virtual Result<std::vector<Value>> run_graph(std::string_view attribute, std::vector<Value> inputs) = 0;

  // Splits [0, count) into ranges of at least `grain` and runs them on the session's threads; returns when all are
  // done. `body` must not fail.
  virtual void parallel(int64_t count, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& body) = 0;
  // The session's threads, for the kernels of ops/cpu; nullptr: serial. Not to be used inside of parallel().
  virtual ops::cpu::ThreadPool* pool() { return nullptr; }
  // Cancelled or past the deadline: long kernels ask now and then and return the error.
  virtual Result<> check_cancelled() = 0;

  const Prepared* prepared() const { return prepared_; }

  // `[Conv 'node name'] what`: the error every kernel returns.
  template <class... Args>
  [[nodiscard]] std::unexpected<Error> invalid(fmt::format_string<Args...> text, Args&&... args) const {
    return failed(ErrorKind::Invalid, fmt::format(text, std::forward<Args>(args)...));
  }
  template <class... Args>
  [[nodiscard]] std::unexpected<Error> unsupported(fmt::format_string<Args...> text, Args&&... args) const {
    return failed(ErrorKind::Unsupported, fmt::format(text, std::forward<Args>(args)...));
  }

 protected:
  const graph::Node* node_ = nullptr;
  int64_t opset_ = 0;
  std::span<const Value* const> inputs_;  // nullptr: absent
  const Prepared* prepared_ = nullptr;

 private:
  std::unexpected<Error> failed(ErrorKind kind, std::string text) const;
};

struct KernelEntry {
  std::string_view domain;  // "" is ai.onnx
  std::string_view op_type;
  int since = 1;  // opsets [since, until) of the domain
  int until = 1 << 20;
  Result<> (*run)(Call& call) = nullptr;
  // Optional; called before the first run. `constants[i]` is input i when it is constant, else nullptr. nullptr result:
  // nothing to prepare.
  Result<std::unique_ptr<Prepared>> (*prepare)(const graph::Node& node, int64_t opset,
                                               std::span<const Tensor* const> constants) = nullptr;
  // Inputs (a bit each) that it takes from where they are stored when they are deferred, dense float32 elements
  // (StridedFloats::dense): nobody needs to write them out for it.
  uint32_t reads_stored = 0;
};

// One table a family, in the file of its name; kernels() is their concatenation, in this order. A fast kernel refuses
// by its own choice inside run: there is one entry for an operator version.
std::span<const KernelEntry>
elementwise_kernels();  // arithmetic, math, logic, comparison, bits, cast, where, clip, activations, quantise
std::span<const KernelEntry>
reduction_kernels();  // Reduce*, ArgMax/Min, softmax family, CumSum, losses, TopK, normalisations
std::span<const KernelEntry>
array_kernels();  // shape, reshape, concat, slice, gather/scatter, pad, tile, one-hot, resize …
std::span<const KernelEntry> matrix_kernels();   // MatMul, Gemm, Einsum, Det, conv, pooling, RNNs, attention, signal
std::span<const KernelEntry> control_kernels();  // If, Loop, Scan, sequences, optionals, strings, random
std::span<const KernelEntry> ml_kernels();       // ai.onnx.ml, and ai.onnx.preview.training
std::span<const KernelEntry> fused_kernels();    // those of graph/internal_operators.h, which passes make

// The entry that serves an operator of this opset, or nullptr.
const KernelEntry* find_kernel(std::string_view domain, std::string_view op_type, int64_t opset);
// All entries, for documentation and tests.
std::vector<const KernelEntry*> all_kernels();

}  // namespace hearth::operators
