#include "inferlet/host/messaging.h"

#include "inferlet/host/guest.h"

namespace hearth::inferlet {

void Subscriber::put(const std::string& message) {
  std::lock_guard lock(mutex_);
  if (messages_.size() == kMaxSubscriptionMessages) messages_.pop_front();
  messages_.push_back(message);
  ready_.set();
}

std::optional<std::string> Subscriber::next() {
  std::lock_guard lock(mutex_);
  if (messages_.empty()) return std::nullopt;
  std::string message = std::move(messages_.front());
  messages_.pop_front();
  if (messages_.empty()) ready_.clear();
  return message;
}

Result<Messaging::Topic*> Messaging::topic(const std::string& user, const std::string& name) {
  auto found = topics_.find({user, name});
  if (found != topics_.end()) return &found->second;
  if (topics_.size() >= kMaxTopics) {
    for (auto entry = topics_.begin(); entry != topics_.end();) {
      Topic& old = entry->second;
      std::erase_if(old.subscribers, [](const auto& subscriber) { return subscriber.expired(); });
      bool unused = old.subscribers.empty() && old.queue.use_count() == 1 && old.queue->idle();
      entry = unused ? topics_.erase(entry) : std::next(entry);
    }
    if (topics_.size() >= kMaxTopics) {
      return fail(ErrorKind::Limit, "[messaging] topics; got {} in use, need at most {}", topics_.size(), kMaxTopics);
    }
  }
  return &topics_[{user, name}];
}

Result<> Messaging::push(const std::string& user, const std::string& name, std::string message) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Topic * topic, this->topic(user, name));
  if (topic->queue->bytes() + message.size() > kMaxTopicBytes) {
    return fail(ErrorKind::Limit,
                "[messaging] queue of topic {}; got {} bytes nobody pulled and {} more, need at most {}", name,
                topic->queue->bytes(), message.size(), kMaxTopicBytes);
  }
  topic->queue->put(std::move(message));
  return {};
}

Result<std::shared_ptr<Mailbox>> Messaging::queue(const std::string& user, const std::string& name) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Topic * topic, this->topic(user, name));
  return topic->queue;
}

void Messaging::broadcast(const std::string& user, const std::string& name, const std::string& message) {
  std::lock_guard lock(mutex_);
  auto found = topics_.find({user, name});
  if (found == topics_.end()) return;
  std::erase_if(found->second.subscribers, [&](const std::weak_ptr<Subscriber>& weak) {
    auto subscriber = weak.lock();
    if (subscriber) subscriber->put(message);
    return subscriber == nullptr;
  });
}

Result<std::shared_ptr<Subscriber>> Messaging::subscribe(const std::string& user, const std::string& name) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(Topic * topic, this->topic(user, name));
  auto subscriber = std::make_shared<Subscriber>();
  std::erase_if(topic->subscribers, [](const auto& other) { return other.expired(); });
  topic->subscribers.push_back(subscriber);
  return subscriber;
}

namespace {

struct Subscription : Resource {
  static constexpr ResourceType kType = ResourceType::Subscription;
  static constexpr const char* kName = "subscription";
  explicit Subscription(std::shared_ptr<Subscriber> s) : messages(std::move(s)), ready(messages->ready()) {}
  std::shared_ptr<Subscriber> messages;  // none after unsubscribe
  Event ready;
};

}  // namespace

void bind_messaging(Binder& binder) {
  Interface<Guest> messaging(binder, "pie:core/messaging");
  messaging.resource<Subscription>();
  messaging.function(
      "push", +[](Guest& guest, std::string_view topic, std::string message) -> Trapping<void> {
        auto pushed = guest.services.messaging->push(guest.user, std::string(topic), std::move(message));
        if (!pushed) return trap(std::move(pushed).error());
        return {};
      });
  messaging.function(
      "pull", +[](Guest& guest, std::string_view topic) -> Trapping<Own<FutureString>> {
        auto queue = guest.services.messaging->queue(guest.user, std::string(topic));
        if (!queue) return trap(std::move(queue).error());
        return guest.give(std::make_unique<FutureString>(*std::move(queue)));
      });
  messaging.function(
      "broadcast", +[](Guest& guest, std::string_view topic, std::string message) {
        guest.services.messaging->broadcast(guest.user, std::string(topic), message);
      });
  messaging.function(
      "subscribe", +[](Guest& guest, std::string_view topic) -> Trapping<Own<Subscription>> {
        auto subscriber = guest.services.messaging->subscribe(guest.user, std::string(topic));
        if (!subscriber) return trap(std::move(subscriber).error());
        return guest.give(std::make_unique<Subscription>(*std::move(subscriber)));
      });
  messaging.method("pollable", +[](Guest&, Subscription& self) { return self.ready; });
  messaging.method(
      "get", +[](Guest&, Subscription& self) -> std::optional<std::string> {
        return self.messages ? self.messages->next() : std::nullopt;
      });
  messaging.method("unsubscribe", +[](Guest&, Subscription& self) { self.messages.reset(); });
}

}  // namespace hearth::inferlet
