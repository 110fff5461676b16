// Decision trees as all TreeEnsemble operators use them, made once from the attributes of any of them and checked:
// every index is in range and no walk can go round in a circle.
#pragma once

#include <memory>
#include <vector>

#include "operators/kernel.h"

namespace hearth::operators::ml {

enum class Branch : uint8_t { LessOrEqual, Less, GreaterOrEqual, Greater, Equal, NotEqual, Member };

enum class Aggregate : uint8_t { Average, Sum, Min, Max };

struct Forest final : Prepared {
  struct Node {
    double split = 0;
    int64_t feature = 0;
    // The next node, or ~leaf. Branch::Member: `split` counts for nothing, the members are [first, last) of `members`.
    int32_t when_true = 0, when_false = 0;
    int32_t first_member = 0, last_member = 0;
    Branch branch = Branch::LessOrEqual;
    bool missing_is_true = false;  // which way a NaN goes
  };
  // What a leaf gives: votes [first, last).
  struct Leaf {
    int32_t first = 0, last = 0;
  };
  struct Vote {
    int64_t target = 0;
    double weight = 0;
  };
  std::vector<Node> nodes;
  std::vector<Leaf> leaves;
  std::vector<Vote> votes;
  std::vector<double> members;  // of each Member node ascending
  std::vector<int32_t> roots;   // a node or ~leaf, one a tree
  int64_t feature_count = 0;    // one more than the greatest feature a node asks for
  int64_t target_count = 0;     // votes are for [0, target_count)

  const Leaf& walk(int32_t root, const double* row) const;

  // totals[target_count]: what the trees say about one row. A target nobody voted for is 0.
  void vote(const double* row, Aggregate aggregate, double* totals, std::vector<uint8_t>& seen) const;
};

// At most this many nodes (and leaves) a forest.
inline constexpr size_t kMaxForestNodes = size_t{1} << 30;
// A row's totals are held for each thread.
inline constexpr int64_t kMaxForestTargets = int64_t{1} << 22;

// From the attributes nodes_* of TreeEnsembleClassifier and TreeEnsembleRegressor (versions 1 and 3), whose leaves are
// nodes, and their votes from the attributes `prefix`_treeids, _nodeids, _ids, _weights ("class" or "target").
// Sets target_count to `targets`.
Result<std::unique_ptr<Forest>> forest_of_nodes(const graph::Node& node, std::string_view prefix, int64_t targets);

// From the attributes of TreeEnsemble (version 5).
Result<std::unique_ptr<Forest>> forest_of_leaves(const graph::Node& node);

}  // namespace hearth::operators::ml
