#include "passes/pipeline.h"

#include "base/nearest_word.h"
#include "graph/internal_operators.h"
#include "graph/verify.h"
#include "passes/passes.h"

namespace hearth::passes {

namespace {

struct Pass {
  PassInfo info;
  Result<int64_t> (*run)(graph::Model& model, const Options& options);
};

// The order, and why: what is constant is known before anything is recognised by its constants; what does nothing is
// gone before patterns are looked for, or they would have to look through it; layouts are settled before elementwise
// nodes join what makes their input, because how an operand lies over the result depends on them; weights are packed
// when nothing changes their nodes any more; dead nodes go last, so that every rewrite may simply leave behind what it
// replaced.
// Quantised weights stay integers until fold_quantisation has seen them; what it leaves are constants like any other,
// which fold_batch_norm may fold into.
constexpr Pass kPasses[] = {
    {{"remove_identities", OptLevel::Basic, "drops nodes whose output is their input"}, remove_identities},
    {{"fold_sizes", OptLevel::Extended, "puts sizes that are known before a run in the place of what asks for them"},
     fold_sizes},
    {{"fold_constants", OptLevel::Basic, "computes at load time what depends on constants only"}, fold_constants},
    {{"merge_common_nodes", OptLevel::Basic, "computes equal nodes once"}, merge_common_nodes},
    {{"fold_quantisation", OptLevel::Extended, "quantised convolutions and products over bytes, as one node each",
      true},
     fold_quantisation},
    {{"fold_batch_norm", OptLevel::Extended, "batch normalisation into the weights before it, else as Mul and Add"},
     fold_batch_norm},
    {{"recognise_activations", OptLevel::Extended, "SiLU, GELU, hard swish and Mish as one step", true},
     recognise_activations},
    {{"recognise_layer_norm", OptLevel::Extended, "layer normalisation over the last dimension as one node", true},
     recognise_layer_norm},
    {{"recognise_matmul", OptLevel::Extended, "products with constant matrices, with bias and scale in them", true},
     recognise_matmul},
    {{"recognise_attention", OptLevel::Extended, "attention of several heads as one node", true}, recognise_attention},
    {{"channels_last", OptLevel::All, "convolutions and pools over channels-last images; transposes sink and cancel",
      true},
     channels_last},
    {{"fuse_pointwise", OptLevel::Extended, "elementwise operators join the node that makes their input", true},
     fuse_pointwise},
    {{"pack_weights", OptLevel::All, "constant weights in the form that the kernels read", true}, pack_weights},
    {{"fuse_conv_chains", OptLevel::All, "convolutions around a depthwise one run a few rows at a time", true},
     fuse_conv_chains},
    {{"remove_dead_nodes", OptLevel::Basic, "drops nodes and weights that no output needs"}, remove_dead_nodes},
};

}  // namespace

std::span<const PassInfo> all_passes() {
  static const std::vector<PassInfo> infos = [] {
    std::vector<PassInfo> made;
    for (const Pass& pass : kPasses) made.push_back(pass.info);
    return made;
  }();
  return infos;
}

bool runs(const Options& options, std::string_view name) {
  const auto* const pass = std::ranges::find(kPasses, name, [](const Pass& each) { return each.info.name; });
  return pass != std::end(kPasses) && pass->info.level <= options.level &&
         std::ranges::find(options.disabled, name) == options.disabled.end();
}

Result<Report> run_passes(graph::Model& model, const Options& options) {
  std::vector<std::string_view> names;
  for (const PassInfo& info : all_passes()) names.push_back(info.name);
  for (const std::string& name : options.disabled)
    if (std::ranges::find(names, name) == names.end())
      return fail(ErrorKind::Usage, "[passes] no pass is called '{}'; there are: {}", name, fmt::join(names, ", "));
  // No schema describes what passes make for the kernels; whoever makes such a node answers for it.
  const auto known = [&](std::string_view domain, std::string_view op_type) {
    return domain == graph::kInternalDomain || (options.is_custom && options.is_custom(domain, op_type));
  };
  Report report;
  report.nodes_before = model.graph.nodes.size();
  for (const Pass& pass : kPasses) {
    if (pass.info.level > options.level) continue;
    PassReport& done = report.passes.emplace_back();
    done.name = pass.info.name;
    done.disabled = std::ranges::find(options.disabled, pass.info.name) != options.disabled.end();
    if (done.disabled) continue;
    const auto begin = std::chrono::steady_clock::now();
    auto changes = pass.run(model, options);
    if (!changes) return within(pass.info.name, std::move(changes).error());
    done.changes = *changes;
    done.time = std::chrono::steady_clock::now() - begin;
    if (options.verify)
      if (auto sound = graph::verify(model, {.custom = known}); !sound) {
        Error error = std::move(sound).error();
        error.kind = ErrorKind::Internal;
        return within(fmt::format("after pass {}", pass.info.name), std::move(error));
      }
  }
  report.nodes_after = model.graph.nodes.size();
  return report;
}

}  // namespace hearth::passes
