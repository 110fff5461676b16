// Between the C bindings and C++: owned handles, and moving lists and texts across. For what this library does not
// wrap, call the functions of hearth_guest.h with `raw()` and `borrow()`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../generated/hearth_guest.h"
#include "hearth/result.hpp"

namespace hearth::binding {

// Owns one resource handle of the host; move-only.
template <class Own, auto kDrop, auto kBorrow>
class Handle {
 public:
  explicit Handle(Own raw) : raw_(raw) {}
  Handle(Handle&& other) noexcept : raw_(std::exchange(other.raw_, Own{kNone})) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      drop();
      raw_ = std::exchange(other.raw_, Own{kNone});
    }
    return *this;
  }
  ~Handle() { drop(); }

  Own raw() const { return raw_; }
  auto borrow() const { return kBorrow(raw_); }
  bool empty() const { return raw_.__handle == kNone; }
  void drop() {
    if (!empty()) kDrop(raw_);
    raw_ = Own{kNone};
  }

 private:
  static constexpr int32_t kNone = -1;
  Own raw_;
};

// Views for arguments: the host copies, nothing is changed.
inline hearth_guest_string_t text(std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), value.size()};
}
inline hearth_guest_list_u32_t list(std::span<const uint32_t> value) {
  return {const_cast<uint32_t*>(value.data()), value.size()};
}

// Results: copied into C++ objects, what the host allocated is freed.
inline std::string take(hearth_guest_string_t& value) {
  std::string out(reinterpret_cast<const char*>(value.ptr), value.len);
  hearth_guest_string_free(&value);
  return out;
}
inline std::vector<uint32_t> take(hearth_guest_list_u32_t& value) {
  std::vector<uint32_t> out(value.ptr, value.ptr + value.len);
  hearth_guest_list_u32_free(&value);
  return out;
}
inline std::vector<uint8_t> take(hearth_guest_list_u8_t& value) {
  std::vector<uint8_t> out(value.ptr, value.ptr + value.len);
  hearth_guest_list_u8_free(&value);
  return out;
}

// call(f, arguments…) for functions of the form bool f(arguments…, Ok*, Error*), and of bool f(arguments…, Error*).
template <class Wrapped, class Ok, class... Arguments, class... Given>
Result<Wrapped> call(bool (*function)(Arguments...), Ok ok, Given... given) {
  hearth_guest_string_t error;
  if (function(given..., &ok, &error)) return Wrapped(ok);
  return fail(take(error));
}
template <class... Arguments, class... Given>
Result<> call(bool (*function)(Arguments...), Given... given) {
  hearth_guest_string_t error;
  if (function(given..., &error)) return {};
  return fail(take(error));
}

}  // namespace hearth::binding
