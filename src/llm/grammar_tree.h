// A tokenizer's vocabulary as a tree, in the form in which grammars compute masks.
#pragma once

#include "hearth_grammar.h"

namespace hearth::llm {

// Immutable, thread-safe.
class TokenTree {
 public:
  explicit TokenTree(hearth_token_tree* tree) : tree_(tree) {}
  TokenTree(const TokenTree&) = delete;
  TokenTree& operator=(const TokenTree&) = delete;
  ~TokenTree() { hearth_token_tree_free(tree_); }
  const hearth_token_tree* get() const { return tree_; }

 private:
  hearth_token_tree* tree_;
};

}  // namespace hearth::llm
