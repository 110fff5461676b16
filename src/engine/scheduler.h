// What the next step computes: a pure function from plain data to plain data.
//
// The idea. There is no prefill and no decode: every pass has tokens whose keys and values are computed and tokens
// where they are not yet, and a step closes part of that gap for many passes at once. Two resources are divided.
// Tokens: short gaps (a page or less; decoding is a gap of one) are closed first, because somebody waits for the next
// word; long ones share what is left equally, and a part of every step is theirs whenever there are any, so that
// neither kind starves. What a share leaves over goes to the oldest. Pages: passes are served oldest first. One that
// finds no page may take them from others: from contexts that rest between passes (lowest bid, then least recently
// used) and then from younger passes, youngest first. So the oldest pass always goes on, and every pass is the oldest
// some day. A pass that is already under way takes at once; one that wants in waits until somebody has rested for
// `quiet_ms` or it has itself waited for `patience_ms`, which keeps contexts from throwing each other out every step;
// while it waits, no younger one is let in. A pass whose next page an older one is about to compute leaves the step to
// others, if that one does compute: it finds the page ready in the step after.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace hearth::engine {

struct PassView {
  uint64_t pass;      // number that grows with age of arrival: the smallest is the oldest
  int64_t remaining;  // tokens to compute, > 0
  int64_t room;       // of these, how many fit in pages the context has
  // Before it can compute anything, pages must come back from host memory, and one that others see must be copied:
  int64_t pages_first;   // slots that takes
  int64_t held_change;   // what it does to PageSupply::held: its own resting pages leave, a copied one may join
  int64_t host_change;   // what it does to PageSupply::host_room: grows by what comes back
  int64_t pages_at_end;  // pages of the whole context when the pass is done
  bool under_way;        // its context has pages on the device
  int64_t waiting_since_ms;
  uint64_t after = 0;  // an older pass among the candidates, which works on the same next page; 0: none
};

struct Victim {
  uint64_t context;
  uint64_t pass;  // its pass, when it has one waiting to go on; 0: it rests
  int64_t pages;  // that only it needs on the device
  int64_t quiet_since_ms;
};

struct PageSupply {
  int64_t total;
  int64_t ready;                    // free, or cached and needed by nobody
  int64_t held = 0;                 // reclaimable by moving them to host memory, as far as that goes:
  int64_t host_room = 0;            // pages
  bool victims_known = false;       // false: the caller has not looked for any
  std::span<const Victim> victims;  // in the order in which they should lose their pages

  int64_t available() const { return ready + std::min(held, host_room); }
  void take(int64_t pages) {
    const int64_t moved = std::max<int64_t>(0, pages - ready);
    ready -= pages - moved;
    held -= moved;
    host_room -= moved;
  }
};

struct StepBudget {
  int64_t tokens, passes, page_size;
  int64_t quiet_ms = 20, patience_ms = 200;
};

struct Grant {
  uint64_t pass;
  int64_t tokens;
};

struct StepPlan {
  std::vector<Grant> grants;      // oldest first
  std::vector<uint64_t> suspend;  // contexts: suspend these, then ask again; grants are empty
  std::vector<uint64_t> refuse;   // passes that can never fit
  bool find_victims = false;      // pages are short: ask again with victims
  int64_t wake_ms = -1;           // somebody waits for time to pass: ask again then, at the latest
};

// `passes` are the candidates, oldest first.
StepPlan schedule(std::span<const PassView> passes, const StepBudget& budget, const PageSupply& pages, int64_t now_ms);

}  // namespace hearth::engine
