// The passes in their one order, by level. Each is named, timed, may be turned off, and is verified before and after
// when asked.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace hearth::passes {

enum class OptLevel : int { None = 0, Basic = 1, Extended = 2, All = 3 };

// Computes one node from constant inputs; an error means it cannot be folded (it will be met again when it runs).
using Evaluate =
    std::function<Result<std::vector<Value>>(const graph::Node& node, int64_t opset, std::span<const Value> inputs)>;

// Replaces the plain weights of a hearth.Conv, MatMul, QuantisedConv or QuantisedMatMul by packed ones and says so in
// the node's attributes; a hearth.Attention is told the type of its factors. false: it left the node alone.
using Pack = std::function<Result<bool>(graph::Node& node, graph::Graph& graph)>;

struct Options {
  OptLevel level = OptLevel::All;
  std::vector<std::string> disabled;  // names of passes; an unknown one is an error that suggests the nearest
  Evaluate evaluate;
  Pack pack;                                                                         // empty: weights stay plain
  std::function<bool(std::string_view domain, std::string_view op_type)> is_custom;  // empty: there are none
  bool verify = false;  // hold the model against graph/verify.h around every pass
};

struct PassReport {
  std::string_view name;
  int64_t changes = 0;  // rewrites applied, folded nodes, removed nodes …
  std::chrono::nanoseconds time{0};
  bool disabled = false;
};
struct Report {
  std::vector<PassReport> passes;
  size_t nodes_before = 0, nodes_after = 0;
};

struct PassInfo {
  std::string_view name;
  OptLevel level;  // from which on it runs
  std::string_view doc;
  bool internal = false;  // makes operators of graph/internal_operators.h, which no model file may contain
};
std::span<const PassInfo> all_passes();  // in the order they run

// Whether run_passes(…, options) runs the pass.
bool runs(const Options& options, std::string_view name);

Result<Report> run_passes(graph::Model& model, const Options& options);

}  // namespace hearth::passes
