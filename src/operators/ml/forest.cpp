#include "operators/ml/forest.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include "operators/convert.h"
#include "operators/ml/attributes.h"

namespace hearth::operators::ml {

namespace {

bool decide(const Forest& forest, const Forest::Node& node, double x) {
  if (std::isnan(x)) return node.missing_is_true;
  switch (node.branch) {
    case Branch::LessOrEqual:
      return x <= node.split;
    case Branch::Less:
      return x < node.split;
    case Branch::GreaterOrEqual:
      return x >= node.split;
    case Branch::Greater:
      return x > node.split;
    case Branch::Equal:
      return x == node.split;
    case Branch::NotEqual:
      return x != node.split;
    case Branch::Member:
      return std::binary_search(forest.members.begin() + node.first_member, forest.members.begin() + node.last_member,
                                x);
  }
  return false;
}

// No way from a node leads back to it. Iterative: trees may be as deep as they have nodes.
Result<> check_no_circle(const graph::Node& node, const Forest& forest) {
  enum : uint8_t { kNew, kOpen, kDone };
  std::vector<uint8_t> state(forest.nodes.size(), kNew);
  std::vector<int32_t> stack;
  for (const int32_t root : forest.roots) {
    if (root >= 0) stack.push_back(root);
    while (!stack.empty()) {
      const int32_t at = stack.back();
      auto& own = state[static_cast<size_t>(at)];
      if (own != kNew) {
        own = kDone;
        stack.pop_back();
        continue;
      }
      own = kOpen;
      const Forest::Node& here = forest.nodes[static_cast<size_t>(at)];
      for (const int32_t next : {here.when_true, here.when_false}) {
        if (next < 0 || state[static_cast<size_t>(next)] == kDone) continue;
        if (state[static_cast<size_t>(next)] == kOpen)
          return invalid_node(node, "tree; got node {} below itself, need trees without circles", next);
        stack.push_back(next);
      }
    }
  }
  return {};
}

Result<Branch> branch_of(const graph::Node& node, std::string_view name) {
  constexpr std::pair<std::string_view, Branch> kNames[] = {
      {"BRANCH_LEQ", Branch::LessOrEqual}, {"BRANCH_LT", Branch::Less},  {"BRANCH_GTE", Branch::GreaterOrEqual},
      {"BRANCH_GT", Branch::Greater},      {"BRANCH_EQ", Branch::Equal}, {"BRANCH_NEQ", Branch::NotEqual}};
  for (const auto& [known, branch] : kNames)
    if (name == known) return branch;
  return invalid_node(node, "nodes_modes; got '{}', need BRANCH_LEQ, _LT, _GTE, _GT, _EQ, _NEQ or LEAF", name);
}

template <class Lists>
Result<> check_lengths(const graph::Node& node, size_t count, const Lists& lists) {
  if (count > kMaxForestNodes) return invalid_node(node, "nodes; got {}, need at most {}", count, kMaxForestNodes);
  for (const auto& [name, size] : lists)
    if (size != count) return invalid_node(node, "length of {}; got {}, need {}", name, size, count);
  return {};
}

using Lengths = std::vector<std::pair<std::string_view, size_t>>;

struct TreeNode {
  int64_t tree, node;
  bool operator==(const TreeNode&) const = default;
};
struct TreeNodeHash {
  size_t operator()(const TreeNode& key) const {
    return std::hash<uint64_t>()(static_cast<uint64_t>(key.tree) * 0x9E3779B97F4A7C15u +
                                 static_cast<uint64_t>(key.node));
  }
};

void note_feature(Forest& forest, int64_t feature) {
  forest.feature_count = std::max(forest.feature_count, feature + 1);
}

}  // namespace

const Forest::Leaf& Forest::walk(int32_t root, const double* row) const {
  int32_t at = root;
  while (at >= 0) {
    const Node& node = nodes[static_cast<size_t>(at)];
    at = decide(*this, node, row[node.feature]) ? node.when_true : node.when_false;
  }
  return leaves[static_cast<size_t>(~at)];
}

void Forest::vote(const double* row, Aggregate aggregate, double* totals, std::vector<uint8_t>& seen) const {
  std::fill_n(totals, target_count, 0.0);
  seen.assign(static_cast<size_t>(target_count), 0);
  for (const int32_t root : roots) {
    const Leaf& leaf = walk(root, row);
    for (int32_t i = leaf.first; i < leaf.last; ++i) {
      const Vote& vote = votes[static_cast<size_t>(i)];
      double& total = totals[vote.target];
      uint8_t& any = seen[static_cast<size_t>(vote.target)];
      if (aggregate == Aggregate::Min)
        total = any != 0 ? std::min(total, vote.weight) : vote.weight;
      else if (aggregate == Aggregate::Max)
        total = any != 0 ? std::max(total, vote.weight) : vote.weight;
      else
        total += vote.weight;
      any = 1;
    }
  }
  if (aggregate == Aggregate::Average)
    for (int64_t t = 0; t < target_count; ++t) totals[t] /= static_cast<double>(std::max<size_t>(roots.size(), 1));
}

Result<std::unique_ptr<Forest>> forest_of_nodes(const graph::Node& node, std::string_view prefix, int64_t targets) {
  const auto trees = node.ints("nodes_treeids"), ids = node.ints("nodes_nodeids");
  const auto features = node.ints("nodes_featureids");
  const auto when_true = node.ints("nodes_truenodeids"), when_false = node.ints("nodes_falsenodeids");
  const auto missing = node.ints("nodes_missing_value_tracks_true");
  const auto modes = node.strings("nodes_modes");
  ASSIGN_OR_RETURN(const std::vector<double> splits, numbers(node, "nodes_values"));
  Lengths lengths = {{"nodes_nodeids", ids.size()},           {"nodes_featureids", features.size()},
                     {"nodes_truenodeids", when_true.size()}, {"nodes_falsenodeids", when_false.size()},
                     {"nodes_modes", modes.size()},           {"nodes_values", splits.size()}};
  if (!missing.empty()) lengths.emplace_back("nodes_missing_value_tracks_true", missing.size());
  TRY(check_lengths(node, trees.size(), lengths));

  auto forest = std::make_unique<Forest>();
  forest->target_count = targets;
  // Where each node of the attributes went: into nodes, or as ~index into leaves.
  std::unordered_map<TreeNode, int32_t, TreeNodeHash> placed;
  placed.reserve(trees.size());
  for (size_t i = 0; i < trees.size(); ++i) {
    const bool leaf = modes[i] == "LEAF";
    const auto place = leaf ? ~static_cast<int32_t>(forest->leaves.size()) : static_cast<int32_t>(forest->nodes.size());
    if (!placed.emplace(TreeNode{trees[i], ids[i]}, place).second)
      return invalid_node(node, "nodes_nodeids; got node {} of tree {} twice, need each once", ids[i], trees[i]);
    if (leaf)
      forest->leaves.emplace_back();
    else
      forest->nodes.emplace_back();
  }
  // The first node listed of each tree is its root.
  std::unordered_map<int64_t, bool> rooted;
  int32_t at = 0;
  for (size_t i = 0; i < trees.size(); ++i) {
    if (rooted.emplace(trees[i], true).second) forest->roots.push_back(placed.at({trees[i], ids[i]}));
    if (modes[i] == "LEAF") continue;
    Forest::Node& made = forest->nodes[static_cast<size_t>(at++)];
    ASSIGN_OR_RETURN(made.branch, branch_of(node, modes[i]));
    made.split = splits[i];
    made.feature = features[i];
    if (made.feature < 0) return invalid_node(node, "nodes_featureids; got {}, need at least 0", made.feature);
    note_feature(*forest, made.feature);
    made.missing_is_true = !missing.empty() && missing[i] != 0;
    const auto find = [&](int64_t id) { return placed.find(TreeNode{trees[i], id}); };
    const auto yes = find(when_true[i]), no = find(when_false[i]);
    if (yes == placed.end() || no == placed.end())
      return invalid_node(node, "child of node {} of tree {}; got {}, need a node of that tree", ids[i], trees[i],
                          yes == placed.end() ? when_true[i] : when_false[i]);
    made.when_true = yes->second;
    made.when_false = no->second;
  }
  TRY(check_no_circle(node, *forest));

  const auto name = [&](std::string_view suffix) { return std::string(prefix) + std::string(suffix); };
  const auto vote_trees = node.ints(name("_treeids")), vote_nodes = node.ints(name("_nodeids"));
  const auto vote_targets = node.ints(name("_ids"));
  ASSIGN_OR_RETURN(const std::vector<double> weights, numbers(node, name("_weights")));
  TRY(check_lengths(node, vote_trees.size(),
                    Lengths{{"the votes' nodeids", vote_nodes.size()},
                            {"the votes' ids", vote_targets.size()},
                            {"the votes' weights", weights.size()}}));
  // Counted, then placed: the votes of one leaf lie together in the order of the attributes.
  std::vector<int32_t> leaf_of(vote_trees.size(), -1);
  for (size_t i = 0; i < vote_trees.size(); ++i) {
    const auto found = placed.find(TreeNode{vote_trees[i], vote_nodes[i]});
    if (found == placed.end())
      return invalid_node(node, "vote {}; got node {} of tree {}, which does not exist", i, vote_nodes[i],
                          vote_trees[i]);
    if (vote_targets[i] < 0 || vote_targets[i] >= targets)
      return invalid_node(node, "vote {}; got target {}, need at least 0 and less than {}", i, vote_targets[i],
                          targets);
    if (found->second >= 0) continue;  // no row ends at an inner node
    leaf_of[i] = ~found->second;
    ++forest->leaves[static_cast<size_t>(leaf_of[i])].last;
  }
  int32_t first = 0;
  for (Forest::Leaf& leaf : forest->leaves) {
    const int32_t count = leaf.last;
    leaf.first = leaf.last = first;
    first += count;
  }
  forest->votes.resize(static_cast<size_t>(first));
  for (size_t i = 0; i < leaf_of.size(); ++i)
    if (leaf_of[i] >= 0) {
      Forest::Leaf& leaf = forest->leaves[static_cast<size_t>(leaf_of[i])];
      forest->votes[static_cast<size_t>(leaf.last++)] = {vote_targets[i], weights[i]};
    }
  return forest;
}

Result<std::unique_ptr<Forest>> forest_of_leaves(const graph::Node& node) {
  const auto features = node.ints("nodes_featureids");
  const auto when_true = node.ints("nodes_truenodeids"), when_false = node.ints("nodes_falsenodeids");
  const auto true_leafs = node.ints("nodes_trueleafs"), false_leafs = node.ints("nodes_falseleafs");
  const auto missing = node.ints("nodes_missing_value_tracks_true");
  const auto targets = node.ints("leaf_targetids");
  ASSIGN_OR_RETURN(const std::vector<double> splits, numbers(node, "nodes_splits"));
  ASSIGN_OR_RETURN(const std::vector<double> weights, numbers(node, "leaf_weights"));
  ASSIGN_OR_RETURN(const std::vector<double> members, numbers(node, "membership_values"));
  const Tensor* modes = node.tensor("nodes_modes");
  if (modes == nullptr || modes->dtype() != DType::U8)
    return invalid_node(node, "nodes_modes; got {}, need a tensor of u8",
                        modes == nullptr ? "nothing" : to_string(modes->dtype()));
  Lengths lengths = {{"nodes_truenodeids", when_true.size()},
                     {"nodes_falsenodeids", when_false.size()},
                     {"nodes_trueleafs", true_leafs.size()},
                     {"nodes_falseleafs", false_leafs.size()},
                     {"nodes_modes", static_cast<size_t>(modes->size())},
                     {"nodes_splits", splits.size()}};
  if (!missing.empty()) lengths.emplace_back("nodes_missing_value_tracks_true", missing.size());
  TRY(check_lengths(node, features.size(), lengths));
  TRY(check_lengths(node, targets.size(), Lengths{{"leaf_weights", weights.size()}}));

  auto forest = std::make_unique<Forest>();
  forest->target_count = node.int_or("n_targets", 1);
  if (forest->target_count < 1 || forest->target_count > kMaxForestTargets)
    return invalid_node(node, "n_targets; got {}, need at least 1 and at most {}", forest->target_count,
                        kMaxForestTargets);
  for (size_t i = 0; i < targets.size(); ++i) {
    if (targets[i] < 0 || targets[i] >= forest->target_count)
      return invalid_node(node, "leaf_targetids; got {}, need at least 0 and less than {}", targets[i],
                          forest->target_count);
    const auto at = static_cast<int32_t>(i);
    forest->leaves.push_back({at, at + 1});
    forest->votes.push_back({targets[i], weights[i]});
  }
  size_t next_member = 0;
  for (size_t i = 0; i < features.size(); ++i) {
    Forest::Node& made = forest->nodes.emplace_back();
    const uint8_t mode = modes->data<uint8_t>()[i];
    if (mode > static_cast<uint8_t>(Branch::Member))
      return invalid_node(node, "nodes_modes; got {}, need at most {}", mode, static_cast<int>(Branch::Member));
    made.branch = static_cast<Branch>(mode);
    made.split = splits[i];
    made.feature = features[i];
    if (made.feature < 0) return invalid_node(node, "nodes_featureids; got {}, need at least 0", made.feature);
    note_feature(*forest, made.feature);
    made.missing_is_true = !missing.empty() && missing[i] != 0;
    if (made.branch == Branch::Member) {  // the next list that a NaN ends
      made.first_member = static_cast<int32_t>(forest->members.size());
      while (next_member < members.size() && !std::isnan(members[next_member]))
        forest->members.push_back(members[next_member++]);
      if (next_member == members.size())
        return invalid_node(node,
                            "membership_values; got too few lists, need one that a NaN ends for each BRANCH_MEMBER");
      ++next_member;
      made.last_member = static_cast<int32_t>(forest->members.size());
      std::sort(forest->members.begin() + made.first_member, forest->members.end());
    }
    for (const bool branch : {true, false}) {
      const bool leaf = (branch ? true_leafs : false_leafs)[i] != 0;
      const int64_t id = (branch ? when_true : when_false)[i];
      const auto count = static_cast<int64_t>(leaf ? targets.size() : features.size());
      if (id < 0 || id >= count)
        return invalid_node(node, "child of node {}; got {}, need at least 0 and less than {}", i, id, count);
      (branch ? made.when_true : made.when_false) = leaf ? ~static_cast<int32_t>(id) : static_cast<int32_t>(id);
    }
  }
  for (const int64_t root : node.ints("tree_roots")) {
    if (root < 0 || root >= static_cast<int64_t>(forest->nodes.size()))
      return invalid_node(node, "tree_roots; got {}, need at least 0 and less than {}", root, forest->nodes.size());
    forest->roots.push_back(static_cast<int32_t>(root));
  }
  TRY(check_no_circle(node, *forest));
  return forest;
}

}  // namespace hearth::operators::ml
