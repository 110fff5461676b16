// Texts or bytes waiting for whoever asks: a queue whose readers are futures. Thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "inferlet/wasm/event.h"

namespace hearth::inferlet {

class Mailbox {
 public:
  // One reader's place in line. Shared between the mailbox and the guest's future, which end in any order.
  struct Letter {
    Event ready;
    std::optional<std::string> text;
    bool read = false;
  };

  void put(std::string text);
  void close();                    // nothing more will come: readers without a text become ready and read nothing
  std::shared_ptr<Letter> take();  // the oldest text, or the next one to come
  std::optional<std::string> read(Letter& letter);
  // The reader goes away: a text it has not read goes back to the front.
  void abandon(const std::shared_ptr<Letter>& letter);
  size_t bytes() const;  // of the texts nobody has taken
  bool idle() const;     // nothing waits on either side

 private:
  void deliver();  // under the lock: first texts to first readers
  mutable std::mutex mutex_;
  std::deque<std::string> texts_;
  std::deque<std::shared_ptr<Letter>> readers_;
  size_t bytes_ = 0;
  bool closed_ = false;
};

}  // namespace hearth::inferlet
