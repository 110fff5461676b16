#include "recognised.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "graph/infer_shapes.h"
#include "graph/inline_functions.h"
#include "graph/internal_operators.h"
#include "graph/text.h"
#include "graph/verify.h"
#include "passes/passes.h"
#include "runtime/session.h"

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

std::vector<Value> run(std::string_view text, OptLevel level) {
  auto model = graph::parse_text(text);
  if (!model) return failed(model.error()), std::vector<Value>{};
  auto session = runtime::Session::open(std::move(*model), {.level = level, .threads = 1});
  if (!session) return failed(session.error()), std::vector<Value>{};
  const auto feeds = random_feeds(**session);
  auto outputs = (*session)->run(feeds);
  if (!outputs) return failed(outputs.error()), std::vector<Value>{};
  return std::move(*outputs);
}

}  // namespace

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
  const auto wanted = run(text, OptLevel::None), got = run(text, OptLevel::Extended);
  ASSERT_EQ(wanted.size(), got.size());
  ASSERT_FALSE(wanted.empty());
  for (size_t i = 0; i < wanted.size(); ++i) {
    const Tensor &a = *wanted[i].tensor(), &b = *got[i].tensor();
    ASSERT_EQ(a.dims(), b.dims());
    ASSERT_EQ(a.dtype(), DType::F32);
    for (int64_t j = 0; j < a.size(); ++j) {
      const float x = a.data<float>()[j];
      ASSERT_NEAR(x, b.data<float>()[j], 5e-5F * std::max(1.0F, std::abs(x))) << "output " << i << " element " << j;
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
