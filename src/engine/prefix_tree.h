// The index of shared pages: a full page is found by the page before it, its tokens and its positions. A hash of the
// chain finds candidates; parent, tokens and positions are then compared, so a hit is exact by induction.
// Only pages computed under the default (causal) mask are in the tree. Not thread-safe: the engine's lock covers it.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/page.h"

namespace hearth::engine {

class PrefixTree {
 public:
  // Of a page and all before it. `parent` is in the tree or nullptr.
  static uint64_t hash_of(const Page* parent, std::span<const uint32_t> tokens, std::span<const uint32_t> positions);
  // The page that holds exactly these tokens after `parent` (nullptr: at the start), or nullptr.
  Page* find(const Page* parent, std::span<const uint32_t> tokens, std::span<const uint32_t> positions) const;
  // `page` is not in the tree, `parent` is (or is nullptr), and find() gives nullptr.
  void insert(Page* page, Page* parent, std::span<const uint32_t> tokens, std::span<const uint32_t> positions);
  // Takes out the page and all below it; returns them, the page first.
  std::vector<Page*> erase(Page* page);
  size_t size() const { return index_.size(); }

 private:
  std::unordered_multimap<uint64_t, Page*> index_;
};

}  // namespace hearth::engine
