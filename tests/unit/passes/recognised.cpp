#include "recognised.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "graph/infer_shapes.h"
#include "graph/inline_functions.h"
#include "graph/internal_operators.h"
#include "graph/text.h"
#include "graph/verify.h"
#include "passes/passes.h"

namespace hearth::passes {

namespace {

graph::Model failed(const Error& error) {
  ADD_FAILURE() << error.message;
  return {};
}

int64_t size_of(const graph::Dimension& size) {
  if (size.known()) return size.size;
  return size.symbol == "batch" ? 2 : 3;
}

std::vector<runtime::Feed> random_feeds(const runtime::Session& session) {
  std::vector<runtime::Feed> feeds;
  std::mt19937 random(7);
  for (const auto& port : session.inputs()) {
    Dims dims;
    for (const graph::Dimension& size : *port.type.shape) dims.push_back(size_of(size));
    Tensor made = *Tensor::allocate(*port.type.dtype, dims);
    for (int64_t i = 0; i < made.size(); ++i) {
      if (made.dtype() == DType::F32)
        made.mutable_data<float>()[i] = std::uniform_real_distribution<float>(-4, 4)(random);
      else if (made.dtype() == DType::F64)
        made.mutable_data<double>()[i] = std::uniform_real_distribution<double>(-4, 4)(random);
      else
        made.mutable_data<int64_t>()[i] = static_cast<int64_t>(random() % 2);
    }
    feeds.push_back({port.name, std::move(made)});
  }
  return feeds;
}

std::vector<Value> run(graph::Model model) {
  auto session = runtime::Session::open(std::move(model),
                                        {.level = OptLevel::None, .threads = 1, .custom = reference_operators()});
  if (!session) return failed(session.error()), std::vector<Value>{};
  const auto feeds = random_feeds(**session);
  auto outputs = (*session)->run(feeds);
  if (!outputs) return failed(outputs.error()), std::vector<Value>{};
  return std::move(*outputs);
}

double step_value(std::string_view step, double x) {
  if (step == "silu") return x / (1 + std::exp(-x));
  if (step == "gelu") return x * (1 + std::erf(x / std::sqrt(2.0))) / 2;
  if (step == "gelu_tanh") return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  if (step == "hard_swish") return x * std::min(std::max(x / 6 + 0.5, 0.0), 1.0);
  if (step == "mish") return x * std::tanh(std::log1p(std::exp(x)));
  ADD_FAILURE() << "step " << step;
  return 0;
}

Result<> pointwise(operators::Call& call) {
  const Tensor& x = call.input(0);
  ASSIGN_OR_RETURN(Tensor* const y, call.output(0, DType::F32, x.dims()));
  for (int64_t i = 0; i < x.size(); ++i) {
    double value = x.data<float>()[i];
    for (const std::string& step : call.node().strings("steps")) value = step_value(step, value);
    y->mutable_data<float>()[i] = static_cast<float>(value);
  }
  return {};
}

Result<> matmul(operators::Call& call) {
  const Tensor &a = call.input(0), &b = call.input(1);
  const int64_t k = call.node().int_or("k", 0), n = call.node().int_or("n", 0);
  if (a.dims().back() != k || b.dims() != Dims{k, n}) return call.invalid("sizes");
  Dims dims = a.dims();
  dims[dims.size() - 1] = n;
  ASSIGN_OR_RETURN(Tensor* const c, call.output(0, DType::F32, dims));
  for (int64_t i = 0; i < c->size(); ++i) {
    double sum = call.has(2) ? call.input(2).data<float>()[i % n] : 0;
    for (int64_t j = 0; j < k; ++j)
      sum += static_cast<double>(a.data<float>()[i / n * k + j]) * b.data<float>()[j * n + i % n];
    c->mutable_data<float>()[i] = static_cast<float>(sum);
  }
  return {};
}

Result<> layer_norm(operators::Call& call) {
  const Tensor& x = call.input(0);
  const int64_t n = x.dims().back();
  if (call.input(1).dims() != Dims{n} || (call.has(2) && call.input(2).dims() != Dims{n})) return call.invalid("sizes");
  ASSIGN_OR_RETURN(Tensor* const y, call.output(0, DType::F32, x.dims()));
  for (int64_t row = 0; row < x.size(); row += n) {
    const float* from = x.data<float>() + row;
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < n; ++i) mean += from[i] / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) variance += (from[i] - mean) * (from[i] - mean) / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i)
      y->mutable_data<float>()[row + i] = static_cast<float>(
          (from[i] - mean) / std::sqrt(variance + call.node().float_or("epsilon", 0)) * call.input(1).data<float>()[i] +
          (call.has(2) ? call.input(2).data<float>()[i] : 0));
  }
  return {};
}

Result<> attention(operators::Call& call) {
  const Tensor &q = call.input(0), &k = call.input(1), &v = call.input(2);
  const int64_t heads = call.node().int_or("heads", 0), kv_heads = call.node().int_or("kv_heads", 0);
  const int64_t batch = q.dim(0), rows = q.dim(1), keys = k.dim(1), size = q.dim(2) / heads,
                v_size = v.dim(2) / kv_heads;
  if (k.dim(0) != batch || v.dim(0) != batch || v.dim(1) != keys || k.dim(2) != kv_heads * size)
    return call.invalid("sizes");
  const auto mask = [&](int64_t b, int64_t h, int64_t i, int64_t j) -> double {
    if (!call.has(3)) return 0;
    const Tensor& held = call.input(3);
    const int64_t at[] = {b, h, i, j};
    int64_t offset = 0;
    for (int axis = 0; axis < held.rank(); ++axis)
      offset = offset * held.dim(axis) + (held.dim(axis) == 1 ? 0 : at[axis + 4 - held.rank()]);
    return held.data<float>()[offset];
  };
  ASSIGN_OR_RETURN(Tensor* const y, call.output(0, DType::F32, Dims{batch, rows, heads * v_size}));
  std::vector<double> weights(static_cast<size_t>(keys));
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t kv = h * kv_heads / heads;
        double sum = 0;
        for (int64_t j = 0; j < keys; ++j) {
          double score = 0;
          for (int64_t c = 0; c < size; ++c)
            score += static_cast<double>(q.data<float>()[(b * rows + i) * heads * size + h * size + c]) *
                     k.data<float>()[(b * keys + j) * kv_heads * size + kv * size + c];
          weights[static_cast<size_t>(j)] = std::exp(score * call.node().float_or("scale", 0) + mask(b, h, i, j));
          sum += weights[static_cast<size_t>(j)];
        }
        for (int64_t c = 0; c < v_size; ++c) {
          double value = 0;
          for (int64_t j = 0; j < keys; ++j)
            value += weights[static_cast<size_t>(j)] / sum *
                     v.data<float>()[(b * keys + j) * kv_heads * v_size + kv * v_size + c];
          y->mutable_data<float>()[(b * rows + i) * heads * v_size + h * v_size + c] = static_cast<float>(value);
        }
      }
  return {};
}

}  // namespace

runtime::CustomOperators reference_operators() {
  const std::string domain(graph::kInternalDomain);
  return {{{{domain, "Pointwise"}, pointwise},
           {{domain, "MatMul"}, matmul},
           {{domain, "LayerNormalization"}, layer_norm},
           {{domain, "Attention"}, attention}}};
}

graph::Model recognised(std::string_view text) {
  auto model = graph::parse_text(text);
  if (!model) return failed(model.error());
  if (auto done = graph::inline_functions(*model); !done) return failed(done.error());
  if (auto sound = graph::verify(*model); !sound) return failed(sound.error());
  if (auto done = graph::infer_shapes(*model); !done) return failed(done.error());
  Options options;
  options.evaluate = [](const graph::Node& node, int64_t opset, std::span<const Value> inputs) {
    runtime::RunContext context{.memory = &heap_memory()};
    return runtime::evaluate_node(node, opset, inputs, context);
  };
  const auto custom = [](std::string_view domain, std::string_view) { return domain == graph::kInternalDomain; };
  for (auto* const pass :
       {remove_identities, fold_sizes, fold_constants, merge_common_nodes, fold_batch_norm, recognise_activations,
        recognise_layer_norm, recognise_matmul, recognise_attention, remove_dead_nodes}) {
    if (auto done = pass(*model, options); !done) return failed(done.error());
    if (auto sound = graph::verify(*model, {.custom = custom}); !sound) return failed(sound.error());
  }
  return std::move(*model);
}

std::vector<std::string> operators(const graph::Model& model) {
  std::vector<std::string> made;
  for (const graph::Node& node : model.graph.nodes) {
    std::string label = node.domain.empty() ? node.op_type : node.domain + "." + node.op_type;
    for (const std::string& step : node.strings("steps")) label += " " + step;
    made.push_back(std::move(label));
  }
  return made;
}

const graph::Node* find_node(const graph::Model& model, std::string_view op_type) {
  const auto at = std::ranges::find(model.graph.nodes, op_type, &graph::Node::op_type);
  return at != model.graph.nodes.end() ? &*at : nullptr;
}

void expect_same_results(std::string_view text) {
  auto plain = graph::parse_text(text);
  ASSERT_TRUE(plain) << plain.error().message;
  const auto wanted = run(std::move(*plain)), got = run(recognised(text));
  ASSERT_EQ(wanted.size(), got.size());
  ASSERT_FALSE(wanted.empty());
  for (size_t i = 0; i < wanted.size(); ++i) {
    const Tensor &a = *wanted[i].tensor(), &b = *got[i].tensor();
    ASSERT_EQ(a.dims(), b.dims());
    ASSERT_EQ(a.dtype(), DType::F32);
    for (int64_t j = 0; j < a.size(); ++j) {
      const float x = a.data<float>()[j];
      ASSERT_NEAR(x, b.data<float>()[j], 2e-5 * std::max(1.0F, std::abs(x))) << "output " << i << " element " << j;
    }
  }
}

std::string random_numbers(int64_t count, uint32_t seed, double low, double high) {
  std::mt19937 random(seed);
  std::string made = "{";
  for (int64_t i = 0; i < count; ++i)
    made += fmt::format("{}{:.4f}", i == 0 ? "" : ", ", std::uniform_real_distribution<double>(low, high)(random));
  return made + "}";
}

}  // namespace hearth::passes
