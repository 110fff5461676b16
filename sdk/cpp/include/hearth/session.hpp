// Words with the client, with other guests, and with the runtime.
#pragma once

#include "hearth/future.hpp"

namespace hearth {

// The client that started this guest. Messages arrive in order.
namespace session {
void send(std::string_view message);
FutureText receive();
void send_file(std::span<const uint8_t> bytes);
FutureBytes receive_file();
}  // namespace session

// Other guests of the same user.
namespace messaging {
void push(std::string_view topic, std::string_view message);  // one pull() gets it
FutureText pull(std::string_view topic);
void broadcast(std::string_view topic, std::string_view message);  // everybody who is subscribed now gets it

class Subscription
    : public binding::Handle<pie_core_messaging_own_subscription_t, pie_core_messaging_subscription_drop_own,
                             pie_core_messaging_borrow_subscription> {
 public:
  using Handle::Handle;
  explicit Subscription(std::string_view topic);
  Pollable pollable() const { return Pollable(pie_core_messaging_method_subscription_pollable(borrow())); }
  std::optional<std::string> get() const;  // the oldest message not read yet
  void unsubscribe() const { pie_core_messaging_method_subscription_unsubscribe(borrow()); }
};
}  // namespace messaging

namespace runtime {
std::string version();
std::string instance_id();
std::string username();

// Another guest, started by this one. Dropping it lets it go on alone.
class Child : public binding::Handle<pie_core_runtime_own_child_t, pie_core_runtime_child_drop_own,
                                     pie_core_runtime_borrow_child> {
 public:
  using Handle::Handle;
  // `program`: name or name@version; `input`: the JSON text that its run receives.
  static Result<Child> launch(std::string_view program, std::string_view input);
  Pollable pollable() const { return Pollable(pie_core_runtime_method_child_pollable(borrow())); }
  std::optional<Result<std::string>> get() const;  // what it returned; none while it runs
  Result<std::string> wait() const;
  std::string pid() const;
  void cancel() const { pie_core_runtime_method_child_cancel(borrow()); }
};
}  // namespace runtime

// Writes to the caller's terminal at once. printf and std::cout work too; they are buffered.
void print(std::string_view text);

}  // namespace hearth
