#include "hearth/session.hpp"

#include <algorithm>

namespace hearth {

namespace session {

void send(std::string_view message) {
  auto raw = binding::text(message);
  pie_core_session_send(&raw);
}
FutureText receive() {
  return FutureText(pie_core_session_receive());
}
void send_file(std::span<const uint8_t> bytes) {
  pie_core_session_blob_t raw{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  pie_core_session_send_file(&raw);
}
FutureBytes receive_file() {
  return FutureBytes(pie_core_session_receive_file());
}

}  // namespace session

namespace messaging {

void push(std::string_view topic, std::string_view message) {
  auto raw_topic = binding::text(topic), raw_message = binding::text(message);
  pie_core_messaging_push(&raw_topic, &raw_message);
}
FutureText pull(std::string_view topic) {
  auto raw = binding::text(topic);
  return FutureText(pie_core_messaging_pull(&raw));
}
void broadcast(std::string_view topic, std::string_view message) {
  auto raw_topic = binding::text(topic), raw_message = binding::text(message);
  pie_core_messaging_broadcast(&raw_topic, &raw_message);
}

static pie_core_messaging_own_subscription_t subscribe(std::string_view topic) {
  auto raw = binding::text(topic);
  return pie_core_messaging_subscribe(&raw);
}
Subscription::Subscription(std::string_view topic) : Handle(subscribe(topic)) {}

std::optional<std::string> Subscription::get() const {
  hearth_guest_string_t text;
  if (!pie_core_messaging_method_subscription_get(borrow(), &text)) return std::nullopt;
  return binding::take(text);
}

}  // namespace messaging

namespace runtime {

static std::string text_of(void (*function)(hearth_guest_string_t*)) {
  hearth_guest_string_t text;
  function(&text);
  return binding::take(text);
}
std::string version() {
  return text_of(pie_core_runtime_version);
}
std::string instance_id() {
  return text_of(pie_core_runtime_instance_id);
}
std::string username() {
  return text_of(pie_core_runtime_username);
}

Result<Child> Child::launch(std::string_view program, std::string_view input) {
  auto raw_program = binding::text(program), raw_input = binding::text(input);
  pie_core_runtime_own_child_t child;
  hearth_guest_string_t error;
  if (!pie_core_runtime_launch(&raw_program, &raw_input, &child, &error)) return fail(binding::take(error));
  return Child(child);
}

std::optional<Result<std::string>> Child::get() const {
  pie_core_runtime_result_string_error_t result;
  if (!pie_core_runtime_method_child_get(borrow(), &result)) return std::nullopt;
  if (result.is_err) return fail(binding::take(result.val.err));
  return binding::take(result.val.ok);
}

Result<std::string> Child::wait() const {
  pollable().wait();
  auto result = get();
  if (!result) return fail("[child] it ended without a result");
  return *std::move(result);
}

std::string Child::pid() const {
  hearth_guest_string_t text;
  pie_core_runtime_method_child_pid(borrow(), &text);
  return binding::take(text);
}

}  // namespace runtime

}  // namespace hearth
