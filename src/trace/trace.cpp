#include "trace/trace.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <thread>

#include "base/file.h"

namespace hearth::trace {
namespace {

int64_t nanoseconds(Trace::Clock::duration time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

std::string json_text(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(result), "\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      result += c;
    }
  }
  return result + '"';
}

}  // namespace

Trace::Trace(size_t capacity) : capacity_(std::max<size_t>(1, capacity)) {}

uint32_t Trace::thread_number() {
  const uint64_t id = std::hash<std::thread::id>{}(std::this_thread::get_id());
  const auto [entry, fresh] = threads_.try_emplace(id, static_cast<uint32_t>(threads_.size() + 1));
  if (fresh) thread_names_.emplace_back();
  return entry->second;
}

void Trace::add(const Event& event) {
  if (events_.size() < capacity_) {
    events_.push_back(event);
    return;
  }
  events_[next_] = event;
  next_ = (next_ + 1) % capacity_;
  ++dropped_;
}

void Trace::span(const char* name, Clock::time_point begin, Clock::time_point end) {
  const std::lock_guard lock(mutex_);
  add({name, nanoseconds(begin - begin_), std::max<int64_t>(0, nanoseconds(end - begin)), 0, thread_number()});
}

void Trace::counter(const char* name, double value) {
  const int64_t now = nanoseconds(Clock::now() - begin_);
  const std::lock_guard lock(mutex_);
  add({name, now, -1, std::isfinite(value) ? value : 0, thread_number()});
}

void Trace::name_thread(std::string name) {
  const std::lock_guard lock(mutex_);
  const uint32_t thread = thread_number();
  thread_names_[thread - 1] = std::move(name);
}

size_t Trace::size() const {
  const std::lock_guard lock(mutex_);
  return events_.size();
}

uint64_t Trace::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

std::string Trace::json() const {
  const std::lock_guard lock(mutex_);
  fmt::memory_buffer out;
  const auto to = std::back_inserter(out);
  fmt::format_to(to, "{{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
  const char* separator = "";
  for (size_t i = 0; i < thread_names_.size(); ++i) {
    if (thread_names_[i].empty()) continue;
    fmt::format_to(to, "{}{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":{},\"args\":{{\"name\":{}}}}}",
                   separator, i + 1, json_text(thread_names_[i]));
    separator = ",\n";
  }
  for (size_t i = 0; i < events_.size(); ++i) {
    const Event& event = events_[(next_ + i) % events_.size()];
    const double begin_us = static_cast<double>(event.begin_ns) / 1e3;
    if (event.duration_ns < 0) {
      fmt::format_to(to, "{}{{\"ph\":\"C\",\"name\":{},\"pid\":1,\"tid\":{},\"ts\":{:.3f},\"args\":{{\"value\":{}}}}}",
                     separator, json_text(event.name), event.thread, begin_us, event.value);
    } else {
      fmt::format_to(to, "{}{{\"ph\":\"X\",\"name\":{},\"pid\":1,\"tid\":{},\"ts\":{:.3f},\"dur\":{:.3f}}}", separator,
                     json_text(event.name), event.thread, begin_us, static_cast<double>(event.duration_ns) / 1e3);
    }
    separator = ",\n";
  }
  fmt::format_to(to, "\n]}}\n");
  return fmt::to_string(out);
}

Result<> Trace::write(const std::filesystem::path& path) const {
  return write_file(path, json());
}

}  // namespace hearth::trace
