#include "engine/page_pool.h"

#include <gtest/gtest.h>

#include <random>

namespace hearth::engine {
namespace {

using Tokens = std::vector<uint32_t>;

TEST(PagePool, CreateAndDrop) {
  PagePool pool(2, 0, 64);
  std::vector<PageMove> moves;
  Page* a = pool.create(moves);
  Page* b = pool.create(moves);
  EXPECT_EQ(pool.create(moves), nullptr);
  EXPECT_NE(a->slot, b->slot);
  pool.deactivate(a);
  pool.drop(a);
  EXPECT_EQ(pool.free(), 1);
  EXPECT_TRUE(pool.check());
  EXPECT_TRUE(moves.empty());
}

TEST(PagePool, SharedPagesStayUntilTheirRoomIsNeededLeastRecentlyUsedFirst) {
  PagePool pool(3, 0, 64);
  std::vector<PageMove> moves;
  std::vector<Page*> pages;
  for (uint32_t i = 0; i < 3; ++i) {
    pages.push_back(pool.create(moves));
    pool.share(pages.back(), nullptr, Tokens{i}, Tokens{0});
  }
  for (const size_t i : {1, 0, 2}) {
    pool.deactivate(pages[i]);
    pool.drop(pages[i]);
  }
  EXPECT_EQ(pool.idle(), 3);
  EXPECT_EQ(pool.available(), 3);
  pool.hold(pages[1]);  // used again: now the most recent
  pool.drop(pages[1]);
  ASSERT_NE(pool.create(moves), nullptr);
  EXPECT_EQ(pool.evicted(), 1u);
  EXPECT_EQ(pool.find(nullptr, Tokens{0}, Tokens{0}), nullptr);
  EXPECT_NE(pool.find(nullptr, Tokens{1}, Tokens{0}), nullptr);
  EXPECT_NE(pool.find(nullptr, Tokens{2}, Tokens{0}), nullptr);
  EXPECT_TRUE(pool.check());
}

TEST(PagePool, HeldPagesMoveToHostMemoryAndBack) {
  PagePool pool(1, 1, 64);
  std::vector<PageMove> moves;
  Page* a = pool.create(moves);
  pool.deactivate(a);
  Page* b = pool.create(moves);
  ASSERT_NE(b, nullptr);
  ASSERT_EQ(moves.size(), 1u);
  EXPECT_EQ(moves[0].kind, PageMove::Kind::ToHost);
  EXPECT_EQ(moves[0].from, b->slot);
  EXPECT_EQ(a->slot, -1);
  EXPECT_EQ(pool.host_pages(), 1);
  EXPECT_FALSE(pool.activate(a, moves));  // b is in the way
  pool.deactivate(b);
  EXPECT_EQ(pool.available(), 0);  // b cannot go out, host memory is full; but the two can change places
  ASSERT_TRUE(pool.activate(a, moves));
  ASSERT_EQ(moves.size(), 3u);
  EXPECT_EQ(moves[1].kind, PageMove::Kind::ToHost);
  EXPECT_EQ(moves[2].kind, PageMove::Kind::ToDevice);
  EXPECT_EQ(moves[2].host, moves[0].host);
  EXPECT_EQ(pool.host_pages(), 1);
  EXPECT_TRUE(pool.check());
  pool.drop(b);
  EXPECT_EQ(pool.host_pages(), 0);
  EXPECT_TRUE(pool.check());
}

TEST(PagePool, WithoutItsParentAHeldPageLeavesTheTree) {
  PagePool pool(2, 0, 64);
  std::vector<PageMove> moves;
  Page *parent = pool.create(moves), *child = pool.create(moves);
  pool.share(parent, nullptr, Tokens{1}, Tokens{0});
  pool.share(child, parent, Tokens{2}, Tokens{1});
  EXPECT_EQ(pool.find(parent, Tokens{2}, Tokens{1}), child);
  pool.deactivate(parent);
  pool.drop(parent);
  Page* third = pool.create(moves);  // takes the parent's slot
  ASSERT_NE(third, nullptr);
  EXPECT_FALSE(child->in_tree);
  EXPECT_TRUE(PagePool::writable(child));
  EXPECT_TRUE(pool.check());
}

TEST(PagePool, TheTreeTellsChainsTokensAndPositionsApart) {
  PagePool pool(8, 0, 64);
  std::vector<PageMove> moves;
  Page *a = pool.create(moves), *b = pool.create(moves), *under_a = pool.create(moves), *under_b = pool.create(moves);
  pool.share(a, nullptr, Tokens{1, 2}, Tokens{0, 1});
  pool.share(b, nullptr, Tokens{1, 2}, Tokens{5, 6});
  pool.share(under_a, a, Tokens{3, 4}, Tokens{2, 3});
  pool.share(under_b, b, Tokens{3, 4}, Tokens{2, 3});
  EXPECT_EQ(pool.find(nullptr, Tokens{1, 2}, Tokens{0, 1}), a);
  EXPECT_EQ(pool.find(nullptr, Tokens{1, 2}, Tokens{5, 6}), b);
  EXPECT_EQ(pool.find(a, Tokens{3, 4}, Tokens{2, 3}), under_a);
  EXPECT_EQ(pool.find(b, Tokens{3, 4}, Tokens{2, 3}), under_b);
  EXPECT_EQ(pool.find(nullptr, Tokens{3, 4}, Tokens{2, 3}), nullptr);
  EXPECT_EQ(pool.find(nullptr, Tokens{2, 1}, Tokens{0, 1}), nullptr);
  EXPECT_TRUE(pool.check());
}

// Any order of calls keeps the counts right.
TEST(PagePool, RandomCallsKeepTheCounts) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    PagePool pool(6, 3, 64);
    std::vector<PageMove> moves;
    struct Held {
      Page* page;
      bool active;
    };
    std::vector<Held> held;
    uint32_t token = 0;
    for (int i = 0; i < 400; ++i) {
      const size_t pick = held.empty() ? 0 : random() % held.size();
      switch (random() % 6) {
        case 0:
          if (Page* page = pool.create(moves)) held.push_back({page, true});
          break;
        case 1:
          if (held.empty()) break;
          pool.hold(held[pick].page);
          held.push_back({held[pick].page, false});
          break;
        case 2:
          if (held.empty()) break;
          if (held[pick].active) pool.deactivate(held[pick].page);
          pool.drop(held[pick].page);
          held.erase(held.begin() + static_cast<ptrdiff_t>(pick));
          break;
        case 3:
          if (!held.empty() && !held[pick].active) held[pick].active = pool.activate(held[pick].page, moves);
          break;
        case 4:
          if (held.empty() || !held[pick].active) break;
          pool.deactivate(held[pick].page);
          held[pick].active = false;
          break;
        case 5: {
          if (held.empty() || held[pick].page->in_tree || !held[pick].active) break;
          Page* parent = held[random() % held.size()].page;
          pool.share(held[pick].page, parent->in_tree ? parent : nullptr, Tokens{token++}, Tokens{0});
          break;
        }
      }
      const auto intact = pool.check();
      ASSERT_TRUE(intact) << intact.error().message;
    }
  }
}

}  // namespace
}  // namespace hearth::engine
