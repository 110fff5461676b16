// What a guest's pollable waits for. Set from any thread; copies share the event.
#pragma once

#include <hearth_wasm.h>

#include <utility>

namespace hearth::inferlet {

class Event {
 public:
  Event() : event_(hearth_wasm_event_new()) {}
  Event(const Event& other) : event_(hearth_wasm_event_clone(other.event_)) {}
  Event& operator=(const Event& other) {
    Event copy(other);
    std::swap(event_, copy.event_);
    return *this;
  }
  ~Event() { hearth_wasm_event_delete(event_); }

  void set() const { hearth_wasm_event_set(event_); }
  void clear() const { hearth_wasm_event_clear(event_); }
  hearth_wasm_event* new_reference() const { return hearth_wasm_event_clone(event_); }

 private:
  hearth_wasm_event* event_;
};

}  // namespace hearth::inferlet
