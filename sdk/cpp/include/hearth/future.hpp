// Waiting. Whatever takes time gives a future; one guest may wait for many at once with poll().
#pragma once

#include <chrono>

#include "hearth/binding.hpp"

namespace hearth {

// Something that becomes ready. Drop it before what it came from.
class Pollable : public binding::Handle<wasi_io_poll_own_pollable_t, wasi_io_poll_pollable_drop_own,
                                        wasi_io_poll_borrow_pollable> {
 public:
  using Handle::Handle;
  bool ready() const { return wasi_io_poll_method_pollable_ready(borrow()); }
  void wait() const { wasi_io_poll_method_pollable_block(borrow()); }
};

// Waits until at least one is ready and gives the indices of those that are. Empty in, empty out.
std::vector<uint32_t> poll(std::span<const Pollable* const> pollables);

// Waits for a time. The guest costs nothing meanwhile.
void sleep(std::chrono::nanoseconds time);
// A pollable that becomes ready after a time: a limit for poll().
Pollable after(std::chrono::nanoseconds time);

// A text that comes later (a message, say).
class FutureText : public binding::Handle<pie_core_types_own_future_string_t, pie_core_types_future_string_drop_own,
                                          pie_core_types_borrow_future_string> {
 public:
  using Handle::Handle;
  Pollable pollable() const { return Pollable(pie_core_types_method_future_string_pollable(borrow())); }
  std::optional<std::string> get();   // none while it is not there
  std::optional<std::string> wait();  // none when nothing can come any more
};

// Bytes that come later (a file).
class FutureBytes : public binding::Handle<pie_core_types_own_future_blob_t, pie_core_types_future_blob_drop_own,
                                           pie_core_types_borrow_future_blob> {
 public:
  using Handle::Handle;
  Pollable pollable() const { return Pollable(pie_core_types_method_future_blob_pollable(borrow())); }
  std::optional<std::vector<uint8_t>> get();
  std::optional<std::vector<uint8_t>> wait();
};

}  // namespace hearth
