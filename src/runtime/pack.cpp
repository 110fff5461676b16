#include "runtime/pack.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <tuple>
#include <vector>

#include "operators/pack_weight.h"
#include "ops/cpu/quantised.h"
#include "passes/new_values.h"
#include "runtime/packed_memory.h"

namespace hearth::runtime {

namespace {

using graph::Graph;
using graph::Node;
using graph::Shape;
using graph::ValueId;
using ops::cpu::ConvAlgorithm;
using ops::cpu::ConvShape;
using ops::cpu::dense_kernels;
using ops::cpu::Factors;

std::string_view name_of(ConvAlgorithm algorithm) {
  switch (algorithm) {
    case ConvAlgorithm::Direct:
      return "direct";
    case ConvAlgorithm::Winograd:
      return "winograd";
    case ConvAlgorithm::Depthwise:
      break;
  }
  return "depthwise";
}

std::string_view name_of(Factors factors) {
  return factors == Factors::BF16 ? "bf16" : "f32";
}

// Sizes 0 where they are known only when the model runs.
int64_t size_or_zero(const Graph& graph, ValueId id, size_t rank, size_t axis) {
  const auto& shape = graph.value(id).type.shape;
  return shape && shape->size() == rank && (*shape)[axis].known() ? (*shape)[axis].size : 0;
}

// The shape of a hearth.Conv over W [M, C / group, k…]; nullopt where the attributes are not as channels_last writes
// them.
std::optional<ConvShape> conv_shape(const Graph& graph, const Node& node, const Tensor& w) {
  const size_t axes = w.dims().size() - 2, rank = axes + 2;
  const auto kernel = node.ints("kernel_shape"), strides = node.ints("strides"), dilations = node.ints("dilations"),
             pads = node.ints("pads");
  if (axes < 1 || axes > 2 || kernel.size() != axes || strides.size() != axes || dilations.size() != axes ||
      pads.size() != 2 * axes)
    return std::nullopt;
  ConvShape shape;
  shape.groups = node.int_or("group", 1);
  shape.channels = w.dim(1) * shape.groups;
  shape.out_channels = w.dim(0);
  shape.batch = size_or_zero(graph, node.inputs[0], rank, 0);
  const size_t last = axes - 1;
  shape.width = size_or_zero(graph, node.inputs[0], rank, rank - 2);
  shape.out_width = size_or_zero(graph, node.outputs[0], rank, rank - 2);
  shape.kernel_width = kernel[last];
  shape.stride_width = strides[last];
  shape.dilation_width = dilations[last];
  shape.pad_left = pads[last];
  if (axes == 2) {
    shape.height = size_or_zero(graph, node.inputs[0], rank, 1);
    shape.out_height = size_or_zero(graph, node.outputs[0], rank, 1);
    shape.kernel_height = kernel[0];
    shape.stride_height = strides[0];
    shape.dilation_height = dilations[0];
    shape.pad_top = pads[0];
  }
  return shape;
}

}  // namespace

class WeightPacker::Planner {
 public:
  explicit Planner(Factors factors) : factors_(factors) {}

  Result<bool> pack(Node& node, Graph& graph) {
    if (node.op_type == "Attention") return round_attention(node);
    const Tensor w = graph.value(node.inputs[1]).constant;  // a handle: adding values moves those of the graph
    if (node.op_type.starts_with("Quantised")) return pack_quantised(node, graph, w);
    return node.op_type == "MatMul" ? pack_matrix(node, graph, w) : pack_conv(node, graph, w);
  }

  Result<> write(ops::cpu::ThreadPool& pool) {
    memory_.finish();
    // As they lie in the file: it is read once from its begin to its end, and what is packed may go.
    std::ranges::sort(writes_, {}, [](const auto& write) { return write->packing.source().from; });
    struct Part {
      Write* write;
      int part;
    };
    std::vector<Part> parts;
    for (const auto& write : writes_)
      for (int i = 0; i < write->packing.parts(); ++i) parts.push_back({write.get(), i});
    std::atomic<size_t> next{0}, next_bytes{0};
    std::mutex lock;
    Result<> outcome;
    pool.parallel([&](int, int) {
      operators::WeightPacking::Scratch scratch;
      for (size_t i = next++; i < parts.size(); i = next++) {
        Write& write = *parts[i].write;
        auto packed = write.packing.pack(parts[i].part, write.to.mutable_raw(), scratch);
        if (!packed) {
          const std::scoped_lock held(lock);
          outcome = std::move(packed);
        }
        if (--write.left == 0) write.packing.source().release();
      }
      for (size_t i = next_bytes++; i < byte_writes_.size(); i = next_bytes++) byte_writes_[i]();
    });
    // Pages between two weights, and those that the system mapped around a page that was asked for.
    for (const auto& write : writes_) write->packing.source().release();
    writes_.clear();
    byte_writes_.clear();
    return outcome;
  }

 private:
  // Which graph, which weights, and how they were packed.
  using Key = std::tuple<const Graph*, ValueId, int, int64_t>;

  // Only where the processor multiplies such factors faster: there are no weights to make smaller.
  bool round_attention(Node& node) const {
    if (factors_ != Factors::BF16 || dense_kernels().isa != ops::cpu::Isa::Avx512 || !ops::cpu::has_bf16_dot())
      return false;
    node.set("factors", std::string(name_of(factors_)));
    return true;
  }

  Result<bool> replace(Node& node, Graph& graph, const Key& key, operators::WeightPacking packing) {
    ASSIGN_OR_RETURN(Tensor packed, Tensor::allocate(DType::U8, {static_cast<int64_t>(packing.bytes())}, memory_));
    writes_.push_back(std::make_unique<Write>(std::move(packing), packed));
    return take_place(node, graph, key, std::move(packed));
  }

  // Of 8-bit weights: `pack` writes so many bytes.
  template <class Pack>
  Result<bool> replace_bytes(Node& node, Graph& graph, const Key& key, size_t bytes, Pack&& pack) {
    ASSIGN_OR_RETURN(Tensor packed, Tensor::allocate(DType::U8, {static_cast<int64_t>(bytes)}, memory_));
    const Tensor plain = graph.value(node.inputs[1]).constant;
    byte_writes_.push_back([plain, packed, pack = std::forward<Pack>(pack)]() mutable {
      pack(packed.mutable_raw());
      plain.release();
    });
    return take_place(node, graph, key, std::move(packed));
  }

  bool take_place(Node& node, Graph& graph, const Key& key, Tensor packed) {
    const std::string name = graph.value(node.inputs[1]).name;
    if (named_ != &graph) {
      names_.emplace(graph);
      named_ = &graph;
    }
    node.inputs[1] = names_->constant(name, "_packed", std::move(packed));
    packed_.emplace(key, node.inputs[1]);
    return true;
  }

  bool reuse(Node& node, const Key& key) const {
    const auto known = packed_.find(key);
    if (known != packed_.end()) node.inputs[1] = known->second;
    return known != packed_.end();
  }

  Result<bool> pack_matrix(Node& node, Graph& graph, const Tensor& w) {
    if (w.rank() != 2 || w.size() == 0) return false;
    const int64_t k = w.dim(0), n = w.dim(1);
    node.set("k", k);
    node.set("n", n);
    node.set("factors", std::string(name_of(factors_)));
    const Key key{&graph, node.inputs[1], -1, 0};
    if (reuse(node, key)) return true;
    return replace(node, graph, key, operators::WeightPacking::matrix(StridedFloats::of(w), k, n, factors_));
  }

  Result<bool> pack_quantised(Node& node, Graph& graph, const Tensor& w) {
    const auto& kernels = ops::cpu::quantised_kernels();
    if (w.rank() < 2 || w.size() == 0) return false;
    if (node.op_type == "QuantisedMatMul") {
      if (w.rank() != 2) return false;
      const int64_t k = w.dim(0), n = w.dim(1);
      const Key key{&graph, node.inputs[1], -2, 0};
      if (reuse(node, key)) return true;
      return replace_bytes(node, graph, key, kernels.packed_matrix_bytes(k, n),
                           [w, k, n, &kernels](void* to) { kernels.pack_matrix(w.data<int8_t>(), n, 1, k, n, to); });
    }
    const auto shape = w.rank() > 2 ? conv_shape(graph, node, w) : std::nullopt;
    if (!shape) return false;
    const Key key{&graph, node.inputs[1], -3, shape->groups};
    if (reuse(node, key)) return true;
    return replace_bytes(node, graph, key, kernels.packed_conv_bytes(*shape),
                         [w, shape = *shape, &kernels](void* to) { kernels.pack_conv(w.data<int8_t>(), shape, to); });
  }

  Result<bool> pack_conv(Node& node, Graph& graph, const Tensor& w) {
    if (w.rank() < 3 || w.size() == 0) return false;
    const auto shape = conv_shape(graph, node, w);
    if (!shape) return false;
    const ConvAlgorithm algorithm = dense_kernels().choose_conv(*shape, factors_);
    const Factors factors = algorithm == ConvAlgorithm::Depthwise ? Factors::F32 : factors_;
    node.set("out_channels", shape->out_channels);
    node.set("algorithm", std::string(name_of(algorithm)));
    node.set("factors", std::string(name_of(factors)));
    const Key key{&graph, node.inputs[1], static_cast<int>(algorithm), shape->groups};
    if (reuse(node, key)) return true;
    return replace(node, graph, key, operators::WeightPacking::conv(StridedFloats::of(w), *shape, algorithm, factors));
  }

  struct Write {
    Write(operators::WeightPacking how, Tensor where) : packing(std::move(how)), to(where), left(packing.parts()) {}
    operators::WeightPacking packing;
    Tensor to;
    std::atomic<int> left;  // parts still to be packed
  };

  Factors factors_;
  const Graph* named_ = nullptr;
  std::optional<passes::NewValues> names_;  // of the graph `named_`: nobody else adds values between two weights of it
  PackedMemory memory_;
  std::map<Key, ValueId> packed_;
  std::vector<std::unique_ptr<Write>> writes_;
  std::vector<std::function<void()>> byte_writes_;  // each holds the plain and the packed tensor
};

WeightPacker::WeightPacker(Factors factors) : planner_(std::make_unique<Planner>(factors)) {}
WeightPacker::~WeightPacker() = default;

passes::Pack WeightPacker::pass() {
  return [this](Node& node, Graph& graph) { return planner_->pack(node, graph); };
}

Result<> WeightPacker::write(ops::cpu::ThreadPool& pool) {
  return planner_->write(pool);
}

}  // namespace hearth::runtime
