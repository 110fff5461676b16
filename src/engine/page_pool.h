// The pages of one model. Every page counts its holders and, among them, those that need it on the device ("active").
// From these two counts follows where a page is: active pages are on the device; a page that is held or shared but not
// active stays there as long as nobody needs the room. Then unheld ones are dropped (they can be computed again) and
// held ones move to host memory. The prefix cache, suspended contexts and snapshots are all this one rule.
//
// Only bookkeeping: the copies it decides on are appended to a list, which the engine thread works off before its step.
// Not thread-safe: the engine's lock covers it.
#pragma once

#include <deque>
#include <vector>

#include "base/result.h"
#include "engine/page.h"
#include "engine/prefix_tree.h"

namespace hearth::engine {

class PagePool {
 public:
  // `slots` pages fit on the device, `host_pages` of `page_bytes` in host memory.
  PagePool(int64_t slots, int64_t host_pages, size_t page_bytes);
  PagePool(const PagePool&) = delete;

  int64_t total() const { return total_; }
  int64_t free() const { return static_cast<int64_t>(free_.size()); }
  int64_t idle() const { return idle_cached_.size() + idle_held_.size(); }  // on the device, active for nobody
  int64_t cached() const { return idle_cached_.size(); }                    // of these, held by nobody: ready to go
  int64_t held() const { return idle_held_.size(); }  // the others: they go to host memory, as far as there is room
  int64_t host_room() const { return host_limit_ - host_used_; }
  int64_t available() const;  // how many slots could be had now
  int64_t host_pages() const { return host_used_; }
  uint64_t evicted() const { return evicted_; }      // cached pages dropped
  uint64_t moved_out() const { return moved_out_; }  // held pages copied to host memory

  // A page with one holder, active, of unknown content; nullptr when no slot can be had.
  Page* create(std::vector<PageMove>& moves);
  void hold(Page* page);
  void drop(Page* page);
  // Brings the page's content to the device if it is not there. False, and nothing changed, when no slot can be had.
  bool activate(Page* page, std::vector<PageMove>& moves);
  void deactivate(Page* page);
  // Its only holder may write into it.
  static bool writable(const Page* page) { return page->holders == 1 && !page->in_tree; }

  Page* find(const Page* parent, std::span<const uint32_t> tokens, std::span<const uint32_t> positions) const {
    return tree_.find(parent, tokens, positions);
  }
  void share(Page* page, Page* parent, std::span<const uint32_t> tokens, std::span<const uint32_t> positions) {
    tree_.insert(page, parent, tokens, positions);
  }
  // `from`, writable and on the device, gives its content to `to`, a page of the same content that is in host memory
  // only.
  void refill(Page* to, Page* from);

  // Every page's own state fits the lists it is in, and the slots add up. `holders` and `active` are the caller's to
  // count.
  Result<> check() const;
  const std::deque<Page>& pages() const { return pages_; }

 private:
  int32_t take_slot(std::vector<PageMove>& moves);  // -1: none
  void settle(Page* page);                          // puts the page where its counts say it belongs
  void retire(Page* page);
  void forget_host(Page* page);

  int64_t total_, host_limit_, host_used_ = 0;
  size_t page_bytes_;
  uint64_t evicted_ = 0, moved_out_ = 0;
  std::vector<int32_t> free_;
  std::deque<Page> pages_;    // stable addresses
  std::vector<Page*> spare_;  // of pages_, those not in use
  IdleList idle_cached_, idle_held_;
  PrefixTree tree_;
};

}  // namespace hearth::engine
