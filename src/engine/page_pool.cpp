#include "engine/page_pool.h"

#include <algorithm>

namespace hearth::engine {

PagePool::PagePool(int64_t slots, int64_t host_pages, size_t page_bytes)
    : total_(slots), host_limit_(host_pages), page_bytes_(page_bytes) {
  free_.reserve(static_cast<size_t>(slots));
  for (int64_t i = slots; i-- > 0;) free_.push_back(static_cast<int32_t>(i));  // low slots first: fewer touched rows
}

int64_t PagePool::available() const {
  return free() + cached() + std::min(held(), host_room());
}

int32_t PagePool::take_slot(std::vector<PageMove>& moves) {
  if (free_.empty()) {
    if (Page* victim = idle_cached_.oldest(); victim != nullptr) {
      ++evicted_;
      retire(victim);
    } else if (victim = idle_held_.oldest(); victim != nullptr && host_room() > 0) {
      ++moved_out_;
      ++host_used_;
      victim->host = std::make_shared_for_overwrite<std::byte[]>(page_bytes_);
      moves.push_back({PageMove::Kind::ToHost, victim->slot, -1, victim->host});
      free_.push_back(std::exchange(victim->slot, -1));
      settle(victim);
    } else {
      return -1;
    }
  }
  const int32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

Page* PagePool::create(std::vector<PageMove>& moves) {
  const int32_t slot = take_slot(moves);
  if (slot < 0) return nullptr;
  if (spare_.empty()) spare_.push_back(&pages_.emplace_back());
  Page* page = spare_.back();
  spare_.pop_back();
  page->slot = slot;
  page->holders = page->active = 1;
  return page;
}

void PagePool::hold(Page* page) {
  ++page->holders;
  settle(page);
}

void PagePool::drop(Page* page) {
  CHECK(page->holders > 0);
  --page->holders;
  settle(page);
}

bool PagePool::activate(Page* page, std::vector<PageMove>& moves) {
  if (page->slot < 0) {
    // Its place in host memory is free for the page that makes room for it: else a full host memory could not turn
    // over.
    --host_used_;
    const int32_t slot = take_slot(moves);
    if (slot < 0) {
      ++host_used_;
      return false;
    }
    page->slot = slot;
    moves.push_back({PageMove::Kind::ToDevice, -1, slot, std::exchange(page->host, nullptr)});
  }
  ++page->active;
  settle(page);
  return true;
}

void PagePool::deactivate(Page* page) {
  CHECK(page->active > 0);
  --page->active;
  settle(page);
}

void PagePool::refill(Page* to, Page* from) {
  CHECK(writable(from) && from->slot >= 0 && to->slot < 0);
  to->slot = std::exchange(from->slot, -1);
  forget_host(to);
  settle(to);
}

void PagePool::settle(Page* page) {
  if (page->list != nullptr) page->list->remove(page);
  if (page->active > 0) return;
  if (page->holders == 0 && (!page->in_tree || page->slot < 0)) return retire(page);
  if (page->slot >= 0) (page->holders > 0 ? idle_held_ : idle_cached_).push(page);
}

void PagePool::retire(Page* page) {
  std::vector<Page*> below;
  if (page->list != nullptr) page->list->remove(page);
  if (page->in_tree) below = tree_.erase(page);
  if (page->slot >= 0) free_.push_back(page->slot);
  forget_host(page);
  *page = Page{};
  spare_.push_back(page);
  // What hung below is out of the tree too: unheld pages go, held ones are their holders' own from now on.
  for (size_t i = 1; i < below.size(); ++i) settle(below[i]);
}

void PagePool::forget_host(Page* page) {
  if (page->host == nullptr) return;
  page->host.reset();
  --host_used_;
}

Result<> PagePool::check() const {
  int64_t on_device = 0, in_host = 0, in_tree = 0, in_use = 0;
  std::vector<bool> taken(static_cast<size_t>(total_), false);
  for (const Page& page : pages_) {
    const bool used = page.holders > 0 || page.in_tree;
    if (!used) {
      if (page.slot >= 0 || page.host != nullptr || page.active > 0)
        return fail(ErrorKind::Internal, "[pages] an unused page has a slot, host memory or users");
      continue;
    }
    ++in_use;
    if (page.active > page.holders)
      return fail(ErrorKind::Internal, "[pages] active {} > holders {}", page.active, page.holders);
    if (page.slot >= 0) {
      if (page.slot >= total_ || taken[static_cast<size_t>(page.slot)])
        return fail(ErrorKind::Internal, "[pages] slot {} is taken twice or out of range", page.slot);
      taken[static_cast<size_t>(page.slot)] = true;
      ++on_device;
    }
    const IdleList* want = page.slot < 0 || page.active > 0 ? nullptr : page.holders > 0 ? &idle_held_ : &idle_cached_;
    if (page.list != want) return fail(ErrorKind::Internal, "[pages] a page is in the wrong idle list");
    if (page.slot < 0 && (page.active > 0 || page.host == nullptr))
      return fail(ErrorKind::Internal, "[pages] a page in use is nowhere");
    if (page.slot >= 0 && page.host != nullptr) return fail(ErrorKind::Internal, "[pages] a page is in two places");
    if (page.host != nullptr) ++in_host;
    if (page.in_tree) {
      ++in_tree;
      if (page.parent != nullptr && !page.parent->in_tree)
        return fail(ErrorKind::Internal, "[pages] a page of the tree has a parent outside it");
      if (tree_.find(page.parent, page.tokens, page.positions) != &page)
        return fail(ErrorKind::Internal, "[pages] the tree finds another page in a page's place");
    }
  }
  if (on_device + free() != total_)
    return fail(ErrorKind::Internal, "[pages] free {} + used and cached {} differ from total {}", free(), on_device,
                total_);
  if (in_host != host_used_)
    return fail(ErrorKind::Internal, "[pages] {} in host memory, counted {}", in_host, host_used_);
  if (in_tree != static_cast<int64_t>(tree_.size()))
    return fail(ErrorKind::Internal, "[pages] {} in the tree, counted {}", in_tree, tree_.size());
  if (in_use + static_cast<int64_t>(spare_.size()) != static_cast<int64_t>(pages_.size()))
    return fail(ErrorKind::Internal, "[pages] {} in use and {} spare of {}", in_use, spare_.size(), pages_.size());
  return {};
}

}  // namespace hearth::engine
