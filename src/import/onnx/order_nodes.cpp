#include "import/onnx/order_nodes.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <vector>

#include "import/onnx/read_node.h"

namespace hearth::import::onnx {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

namespace {

constexpr size_t kMaxNodesNamed = 8;

using Producers = std::vector<int32_t>;  // of each value; -1: none

// Calls each(producer) for every node that this one waits for; again for a value that is read twice.
template <class Each>
void for_producers(const Node& node, const Producers& producers, Each&& each) {
  const auto read = [&](ValueId id) {
    if (id == kNoValue) return;
    if (const int32_t producer = producers[static_cast<size_t>(id)]; producer >= 0) each(static_cast<size_t>(producer));
  };
  const auto read_captured = [&](const Graph& graph) {
    for (const graph::ValueInfo& value : graph.values) read(value.captured);
  };
  for (const ValueId id : node.inputs) read(id);
  for (const graph::Attribute& attribute : node.attributes) {
    if (const auto* one = std::get_if<std::unique_ptr<Graph>>(&attribute.data)) read_captured(**one);
    if (const auto* many = std::get_if<std::vector<std::unique_ptr<Graph>>>(&attribute.data))
      for (const auto& graph : *many) read_captured(*graph);
  }
}

// Every node of `waiting` waits for another one of them: walking from one to the next ends in a cycle.
std::unexpected<Error> name_cycle(const Graph& graph, const Producers& producers, const std::vector<size_t>& waiting) {
  size_t at = 0;
  while (waiting[at] == 0) ++at;
  std::vector<size_t> path, seen(graph.nodes.size(), SIZE_MAX);
  while (seen[at] == SIZE_MAX) {
    seen[at] = path.size();
    path.push_back(at);
    size_t next = at;
    for_producers(graph.nodes[at], producers, [&](size_t producer) {
      if (waiting[producer] > 0) next = producer;
    });
    at = next;
  }
  path.erase(path.begin(), path.begin() + static_cast<ptrdiff_t>(seen[at]));
  std::ranges::reverse(path);  // from producer to reader
  std::string names;
  for (size_t i = 0; i < std::min(path.size(), kMaxNodesNamed); ++i) {
    const Node& node = graph.nodes[path[i]];
    names += (i == 0 ? "" : " → ") + node_label(node.name, node.op_type, path[i]);
  }
  if (path.size() > kMaxNodesNamed) names += " → …";
  return fail(ErrorKind::Invalid, "[onnx] order of nodes; got a cycle of {}: {}, need none", path.size(), names);
}

}  // namespace

Result<> order_nodes(Graph& graph) {
  const size_t count = graph.nodes.size();
  Producers producers(graph.values.size(), -1);
  for (size_t i = 0; i < count; ++i)
    for (const ValueId id : graph.nodes[i].outputs)
      if (id != kNoValue) producers[static_cast<size_t>(id)] = static_cast<int32_t>(i);
  bool ordered = true;
  for (size_t i = 0; i < count && ordered; ++i)
    for_producers(graph.nodes[i], producers, [&](size_t producer) { ordered = ordered && producer < i; });
  if (ordered) return {};

  std::vector<size_t> waiting(count, 0);
  std::vector<std::vector<size_t>> readers(count);
  for (size_t i = 0; i < count; ++i)
    for_producers(graph.nodes[i], producers, [&](size_t producer) {
      ++waiting[i];
      readers[producer].push_back(i);
    });
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;  // the file's order where there is a choice
  for (size_t i = 0; i < count; ++i)
    if (waiting[i] == 0) ready.push(i);
  std::vector<size_t> order;
  order.reserve(count);
  while (!ready.empty()) {
    const size_t next = ready.top();
    ready.pop();
    order.push_back(next);
    for (const size_t reader : readers[next])
      if (--waiting[reader] == 0) ready.push(reader);
  }
  if (order.size() < count) return name_cycle(graph, producers, waiting);
  std::vector<Node> nodes;
  nodes.reserve(count);
  for (const size_t i : order) nodes.push_back(std::move(graph.nodes[i]));
  graph.nodes = std::move(nodes);
  return {};
}

}  // namespace hearth::import::onnx
