#include "hearth/future.hpp"

namespace hearth {

std::vector<uint32_t> poll(std::span<const Pollable* const> pollables) {
  if (pollables.empty()) return {};
  std::vector<wasi_io_poll_borrow_pollable_t> borrowed;
  borrowed.reserve(pollables.size());
  for (const Pollable* pollable : pollables) borrowed.push_back(pollable->borrow());
  wasi_io_poll_list_borrow_pollable_t in{borrowed.data(), borrowed.size()};
  hearth_guest_list_u32_t ready;
  wasi_io_poll_poll(&in, &ready);
  return binding::take(ready);
}

Pollable after(std::chrono::nanoseconds time) {
  const auto count = time.count() > 0 ? static_cast<uint64_t>(time.count()) : 0;
  return Pollable(wasi_clocks_monotonic_clock_subscribe_duration(count));
}

void sleep(std::chrono::nanoseconds time) {
  after(time).wait();
}

std::optional<std::string> FutureText::get() {
  hearth_guest_string_t text;
  if (!pie_core_types_method_future_string_get(borrow(), &text)) return std::nullopt;
  return binding::take(text);
}

std::optional<std::string> FutureText::wait() {
  pollable().wait();
  return get();
}

std::optional<std::vector<uint8_t>> FutureBytes::get() {
  pie_core_types_blob_t blob;
  if (!pie_core_types_method_future_blob_get(borrow(), &blob)) return std::nullopt;
  hearth_guest_list_u8_t bytes{blob.ptr, blob.len};
  return binding::take(bytes);
}

std::optional<std::vector<uint8_t>> FutureBytes::wait() {
  pollable().wait();
  return get();
}

}  // namespace hearth
