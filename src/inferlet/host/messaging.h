// Messages between the guests of one user (pie:core/messaging). One per Runtime; thread-safe.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "inferlet/host/mailbox.h"

namespace hearth::inferlet {

inline constexpr size_t kMaxTopics = 100'000;               // in use at a time, over all users
inline constexpr size_t kMaxTopicBytes = size_t{64} << 20;  // of one topic's queue; pushing more is an error
inline constexpr size_t kMaxSubscriptionMessages = 10'000;  // a subscriber further behind loses the oldest

// A subscriber's unread messages. Shared: the guest's handle and the topic end in any order.
class Subscriber {
 public:
  void put(const std::string& message);
  std::optional<std::string> next();
  const Event& ready() const { return ready_; }

 private:
  Event ready_;
  std::mutex mutex_;
  std::deque<std::string> messages_;
};

class Messaging {
 public:
  Result<> push(const std::string& user, const std::string& topic, std::string message);
  // The mailbox is shared: a future of it outlives the topic.
  Result<std::shared_ptr<Mailbox>> queue(const std::string& user, const std::string& topic);
  void broadcast(const std::string& user, const std::string& topic, const std::string& message);
  Result<std::shared_ptr<Subscriber>> subscribe(const std::string& user, const std::string& topic);

 private:
  struct Topic {
    std::shared_ptr<Mailbox> queue = std::make_shared<Mailbox>();
    std::vector<std::weak_ptr<Subscriber>> subscribers;
  };
  Result<Topic*> topic(const std::string& user, const std::string& name);  // under the lock
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, Topic> topics_;
};

}  // namespace hearth::inferlet
