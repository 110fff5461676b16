// One page of keys and values, wherever its bytes are. A page is on the device (slot >= 0), or in host memory, or, when
// nobody needs its content, gone. Pages are owned by a PagePool and change only through it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace hearth::engine {

class IdleList;

struct Page {
  int32_t slot = -1;     // index into the device's cache; -1: not there
  uint32_t holders = 0;  // contexts and snapshots whose row of pages has this one
  uint32_t active = 0;   // of these holders, how many need it on the device now
  // Shared by the page and by the copy of a step that fills or reads it, because the page may go while the step runs.
  std::shared_ptr<std::byte[]> host;

  // Place in the prefix tree. `parent` is the page before this one (nullptr: this is the first of its row).
  bool in_tree = false;
  Page *parent = nullptr, *first_child = nullptr, *next_sibling = nullptr, *previous_sibling = nullptr;
  uint64_t hash = 0;
  std::vector<uint32_t> tokens, positions;

  // Place in an idle list.
  IdleList* list = nullptr;
  Page *older = nullptr, *newer = nullptr;
};

// Pages on the device that nobody needs there now, least recently used first.
class IdleList {
 public:
  void push(Page* page) {
    page->list = this;
    page->older = last_;
    page->newer = nullptr;
    (last_ != nullptr ? last_->newer : first_) = page;
    last_ = page;
    ++size_;
  }
  void remove(Page* page) {
    (page->older != nullptr ? page->older->newer : first_) = page->newer;
    (page->newer != nullptr ? page->newer->older : last_) = page->older;
    page->list = nullptr;
    page->older = page->newer = nullptr;
    --size_;
  }
  Page* oldest() const { return first_; }
  int64_t size() const { return size_; }

 private:
  Page *first_ = nullptr, *last_ = nullptr;
  int64_t size_ = 0;
};

// A copy of one page that the engine thread makes before it runs a step. The order of a step's moves matters: a slot
// may be read by one move and filled by the next.
struct PageMove {
  enum class Kind : uint8_t { ToHost, ToDevice, OnDevice };
  Kind kind;
  int32_t from = -1, to = -1;  // slots, where the kind has them
  std::shared_ptr<std::byte[]> host;
};

}  // namespace hearth::engine
