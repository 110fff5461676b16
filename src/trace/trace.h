// A bounded record of what happened when: spans and counters, written as a Chrome trace (chrome://tracing, Perfetto).
// The newest `capacity` events are kept. All methods are thread-safe; a null Trace* costs one branch per span or
// counter.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace hearth::trace {

class Trace {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Trace(size_t capacity = 1 << 16);

  // `name` must be a literal or live as long as the trace.
  void span(const char* name, Clock::time_point begin, Clock::time_point end);
  void counter(const char* name, double value);
  void name_thread(std::string name);  // of the calling thread

  size_t size() const;       // events kept
  uint64_t dropped() const;  // older events that made room
  std::string json() const;  // {"traceEvents": [...]}, oldest first, times in microseconds since the trace began
  Result<> write(const std::filesystem::path& path) const;

 private:
  struct Event {
    const char* name;
    int64_t begin_ns;
    int64_t duration_ns;  // < 0: a counter
    double value;
    uint32_t thread;
  };
  void add(const Event& event);
  uint32_t thread_number();  // with the lock held

  const Clock::time_point begin_ = Clock::now();
  const size_t capacity_;
  mutable std::mutex mutex_;
  std::vector<Event> events_;  // a ring once it is full: next_ is the oldest
  size_t next_ = 0;
  uint64_t dropped_ = 0;
  std::unordered_map<uint64_t, uint32_t> threads_;  // system's id to our number
  std::vector<std::string> thread_names_;
};

// From construction to destruction.
class Span {
 public:
  Span(Trace* trace, const char* name) : trace_(trace), name_(name) {
    if (trace_ != nullptr) begin_ = Trace::Clock::now();
  }
  Span(const Span&) = delete;
  ~Span() {
    if (trace_ != nullptr) trace_->span(name_, begin_, Trace::Clock::now());
  }

 private:
  Trace* trace_;
  const char* name_;
  Trace::Clock::time_point begin_;
};

inline void counter(Trace* trace, const char* name, double value) {
  if (trace != nullptr) trace->counter(name, value);
}

}  // namespace hearth::trace
