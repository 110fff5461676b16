#include "engine/context.h"

#include <algorithm>
#include <span>

namespace hearth::engine {
namespace {

std::span<const uint32_t> page_of(const std::vector<uint32_t>& values, size_t page, int64_t page_size) {
  return std::span(values).subspan(page * static_cast<size_t>(page_size), static_cast<size_t>(page_size));
}

bool plain(const Context& context, size_t page, int64_t page_size) {
  return context.masked_from >= (page + 1) * static_cast<size_t>(page_size);
}

// Pages at the end, from the last to the first: a parent then is always used more recently than what hangs below it.
void drop_back(PagePool& pool, Context& context, size_t keep) {
  while (context.pages.size() > keep) {
    Page* page = context.pages.back();
    context.pages.pop_back();
    if (context.active_pages > context.pages.size()) {
      --context.active_pages;
      pool.deactivate(page);
    }
    pool.drop(page);
  }
}

}  // namespace

void fork_into(PagePool& pool, int64_t page_size, const Context& from, Context& to) {
  to.model = from.model;
  to.tokens = from.tokens;
  to.positions = from.positions;
  to.masked_from = from.masked_from;
  to.committed = from.committed;
  to.bid = from.bid;
  const size_t count = from.filled_pages(page_size);
  to.capacity = static_cast<uint32_t>(count);
  to.pages.assign(from.pages.begin(), from.pages.begin() + static_cast<ptrdiff_t>(count));
  for (Page* page : to.pages) pool.hold(page);
  std::vector<PageMove> none;  // these pages are active already: nothing moves
  for (; to.active_pages < std::min(count, from.active_pages); ++to.active_pages)
    CHECK(pool.activate(to.pages[to.active_pages], none));
}

void deactivate_all(PagePool& pool, Context& context) {
  while (context.active_pages > 0) pool.deactivate(context.pages[--context.active_pages]);
}

void drop_uncommitted_work(PagePool& pool, int64_t page_size, Context& context) {
  drop_back(pool, context, context.filled_pages(page_size));
}

void release(PagePool& pool, int64_t page_size, Context& context) {
  Page* parent = nullptr;
  const size_t full = context.tokens.size() / static_cast<size_t>(page_size);
  for (size_t i = 0; i < full && plain(context, i, page_size); ++i) {
    Page* page = context.pages[i];
    if (!page->in_tree) {
      const auto tokens = page_of(context.tokens, i, page_size), positions = page_of(context.positions, i, page_size);
      if (Page* twin = pool.find(parent, tokens, positions); twin != nullptr) {
        page = twin;
      } else {
        if (page->slot < 0) break;
        pool.share(page, parent, tokens, positions);
      }
    }
    parent = page;
  }
  drop_back(pool, context, 0);
  context.tokens.clear();
  context.positions.clear();
  context.committed = context.capacity = 0;
}

Result<> commit_pages(PagePool& pool, int64_t page_size, Context& context, uint32_t count) {
  const uint64_t full = context.tokens.size() / static_cast<size_t>(page_size);
  if (uint64_t{context.committed} + count > full)
    return fail(ErrorKind::Invalid, "[context] full working pages to commit; got {}, need {}", full - context.committed,
                count);
  for (uint32_t k = 0; k < count; ++k, ++context.committed) {
    const size_t i = context.committed;
    Page* page = context.pages[i];
    Page* parent = i > 0 ? context.pages[i - 1] : nullptr;
    if (page->in_tree || !plain(context, i, page_size) || (parent != nullptr && !parent->in_tree)) continue;
    const auto tokens = page_of(context.tokens, i, page_size), positions = page_of(context.positions, i, page_size);
    Page* twin = pool.find(parent, tokens, positions);
    if (twin == nullptr) {
      pool.share(page, parent, tokens, positions);
      continue;
    }
    // Somebody computed the same page: one of the two is enough.
    const bool active = i < context.active_pages;
    if (twin->slot < 0) {
      if (!active || !PagePool::writable(page)) continue;  // the twin is out and ours is needed elsewhere: keep both
      pool.refill(twin, page);
    }
    pool.hold(twin);
    std::vector<PageMove> none;  // the twin is on the device: nothing moves
    if (active) {
      CHECK(pool.activate(twin, none));
      pool.deactivate(page);
    }
    context.pages[i] = twin;
    pool.drop(page);
  }
  return {};
}

Result<> truncate_tokens(PagePool& pool, int64_t page_size, Context& context, uint32_t count) {
  const uint64_t working = context.tokens.size() - uint64_t{context.committed} * static_cast<uint64_t>(page_size);
  if (count > working)
    return fail(ErrorKind::Invalid, "[context] working tokens to remove; got {}, the context has {}", count, working);
  context.tokens.resize(context.tokens.size() - count);
  context.positions.resize(context.tokens.size());
  if (context.masked_from >= context.tokens.size()) context.masked_from = UINT64_MAX;
  drop_uncommitted_work(pool, page_size, context);  // the emptied pages stay reserved: capacity is as it was
  return {};
}

bool make_writable(PagePool& pool, Context& context, size_t index, std::vector<PageMove>& moves) {
  Page* old = context.pages[index];
  if (PagePool::writable(old)) return true;
  // Letting go first makes the old slot itself a candidate, which is what an exact fit needs. The moves keep it right:
  // if the slot is taken over by the new page its content is already in place, if it went to the host that copy comes
  // first.
  const int32_t slot = old->slot;
  pool.deactivate(old);
  pool.drop(old);
  Page* fresh = pool.create(moves);
  if (fresh == nullptr) {
    pool.hold(old);
    CHECK(pool.activate(old, moves));
    return false;
  }
  if (fresh->slot != slot) moves.push_back({PageMove::Kind::OnDevice, slot, fresh->slot, nullptr});
  context.pages[index] = fresh;
  return true;
}

}  // namespace hearth::engine
