// A model given as text after some of the passes, as short text: operators with what matters of them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "graph/infer_shapes.h"
#include "graph/text.h"
#include "passes/pipeline.h"

namespace hearth::passes {

// Runs the named passes and remove_dead_nodes, verifying after each.
inline graph::Model rewritten(std::string_view text, const std::vector<std::string>& names) {
  auto model = graph::parse_text(text);
  EXPECT_TRUE(model) << model.error().message;
  if (!model) return {};
  std::set<std::string> named;
  const auto inferred = graph::infer_shapes(*model, {.named = &named});
  EXPECT_TRUE(inferred) << inferred.error().message;
  Options options{.verify = true};
  for (const PassInfo& pass : all_passes())
    if (pass.name != "remove_dead_nodes" && std::ranges::find(names, pass.name) == names.end())
      options.disabled.emplace_back(pass.name);
  const auto done = run_passes(*model, options);
  EXPECT_TRUE(done) << done.error().message;
  return std::move(*model);
}

// "hearth.Conv(add 3, relu)", "Transpose[0,2,3,1]", "Concat@3".
inline std::vector<std::string> shown(const graph::Model& model) {
  std::vector<std::string> made;
  for (const graph::Node& node : model.graph.nodes) {
    std::string text = node.domain.empty() ? node.op_type : node.domain + "." + node.op_type;
    if (node.has("steps")) text += fmt::format("({})", fmt::join(node.strings("steps"), ", "));
    if (node.has("perm")) text += fmt::format("[{}]", fmt::join(node.ints("perm"), ","));
    if (node.has("axis")) text += fmt::format("@{}", node.int_or("axis", 0));
    made.push_back(std::move(text));
  }
  return made;
}

inline std::vector<std::string> shown(std::string_view text, const std::vector<std::string>& names) {
  return shown(rewritten(text, names));
}

using Shown = std::vector<std::string>;

}  // namespace hearth::passes
