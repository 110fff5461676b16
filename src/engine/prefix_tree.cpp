#include "engine/prefix_tree.h"

#include <algorithm>

#include "base/result.h"

namespace hearth::engine {
namespace {

uint64_t mix(uint64_t h, uint64_t value) {
  h ^= value + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
  h *= 0xbf58476d1ce4e5b9u;
  return h ^ (h >> 29);
}

}  // namespace

uint64_t PrefixTree::hash_of(const Page* parent, std::span<const uint32_t> tokens,
                             std::span<const uint32_t> positions) {
  uint64_t h = parent != nullptr ? parent->hash : 0x51ed270b7a5c0f3du;
  for (size_t i = 0; i < tokens.size(); ++i) h = mix(h, (uint64_t{positions[i]} << 32) | tokens[i]);
  return h;
}

Page* PrefixTree::find(const Page* parent, std::span<const uint32_t> tokens,
                       std::span<const uint32_t> positions) const {
  const auto [begin, end] = index_.equal_range(hash_of(parent, tokens, positions));
  for (auto it = begin; it != end; ++it) {
    Page* page = it->second;
    if (page->parent == parent && std::ranges::equal(page->tokens, tokens) &&
        std::ranges::equal(page->positions, positions))
      return page;
  }
  return nullptr;
}

void PrefixTree::insert(Page* page, Page* parent, std::span<const uint32_t> tokens,
                        std::span<const uint32_t> positions) {
  CHECK(!page->in_tree && (parent == nullptr || parent->in_tree));
  page->in_tree = true;
  page->parent = parent;
  page->hash = hash_of(parent, tokens, positions);
  page->tokens.assign(tokens.begin(), tokens.end());
  page->positions.assign(positions.begin(), positions.end());
  if (parent != nullptr) {
    page->next_sibling = parent->first_child;
    if (page->next_sibling != nullptr) page->next_sibling->previous_sibling = page;
    parent->first_child = page;
  }
  index_.emplace(page->hash, page);
}

std::vector<Page*> PrefixTree::erase(Page* page) {
  if (page->previous_sibling != nullptr) {
    page->previous_sibling->next_sibling = page->next_sibling;
  } else if (page->parent != nullptr) {
    page->parent->first_child = page->next_sibling;
  }
  if (page->next_sibling != nullptr) page->next_sibling->previous_sibling = page->previous_sibling;

  std::vector<Page*> gone{page};
  for (size_t i = 0; i < gone.size(); ++i)
    for (Page* child = gone[i]->first_child; child != nullptr; child = child->next_sibling) gone.push_back(child);
  for (Page* each : gone) {
    const auto [begin, end] = index_.equal_range(each->hash);
    index_.erase(std::find_if(begin, end, [&](const auto& entry) { return entry.second == each; }));
    each->in_tree = false;
    each->parent = each->first_child = each->next_sibling = each->previous_sibling = nullptr;
    each->tokens.clear();
    each->positions.clear();
  }
  return gone;
}

}  // namespace hearth::engine
