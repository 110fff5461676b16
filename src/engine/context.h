// A row of tokens over pages. First `committed` pages, which never change again, then working pages; the last one with
// content may be partly filled. Pages beyond the tokens hold what a pass under way has computed so far.
// Changes happen under the engine's lock; the functions here keep the page counts right.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "engine/page_pool.h"

namespace hearth::engine {

struct Pass;
// Order in which resting contexts lose their pages: bid, time of last use, id.
using RestKey = std::tuple<double, uint64_t, uint64_t>;

struct Context {
  uint64_t id = 0;
  uint32_t model = 0;
  std::vector<uint32_t> tokens, positions;
  uint64_t masked_from =
      UINT64_MAX;            // first token computed under a mask of its own: pages from there on are never shared
  std::vector<Page*> pages;  // each held once
  size_t active_pages = 0;   // the first so many are active; all, unless the context is suspended
  uint32_t committed = 0;    // pages
  uint32_t capacity = 0;     // pages, with those reserved and still empty; at least what the tokens fill
  double bid = 0;
  uint64_t last_used = 0;
  int64_t last_used_ms = 0;
  std::optional<RestKey> rest;  // its place among the resting contexts
  bool hidden = false;          // destroyed, or of one pass only: goes with its last pass
  std::deque<Pass*> passes;     // under way, in order; only the first is computed

  uint32_t filled_pages(int64_t page_size) const {
    return static_cast<uint32_t>((static_cast<int64_t>(tokens.size()) + page_size - 1) / page_size);
  }
  bool suspended(int64_t page_size) const { return active_pages < filled_pages(page_size); }
};

// Copies row and holds; the copy is as active as the original is.
void fork_into(PagePool& pool, int64_t page_size, const Context& from, Context& to);
// Puts full pages of default masks into the prefix tree, then lets go of everything.
void release(PagePool& pool, int64_t page_size, Context& context);
void deactivate_all(PagePool& pool, Context& context);
// Lets go of pages past the tokens: what a failed pass leaves.
void drop_uncommitted_work(PagePool& pool, int64_t page_size, Context& context);

Result<> commit_pages(PagePool& pool, int64_t page_size, Context& context, uint32_t count);
Result<> truncate_tokens(PagePool& pool, int64_t page_size, Context& context, uint32_t count);

// Makes the page at `index` the context's own, with a copy when others see it too. False when there is no slot for
// that.
bool make_writable(PagePool& pool, Context& context, size_t index, std::vector<PageMove>& moves);

}  // namespace hearth::engine
