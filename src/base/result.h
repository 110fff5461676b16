// Errors are values: everything that input, network, device or guest can cause is a Result<T>.
// CHECK is for our own bugs only. Text form: `[where] what; got X, need Y`.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace hearth {

enum class ErrorKind {
  Usage,        // the person's words are off: exit code 2
  NotFound,     // a file, model, program or key that does not exist
  Invalid,      // bytes or values from outside that break their format
  Unsupported,  // well formed, but nothing here serves it
  Limit,        // a named limit or a resource (memory, disk, pages) is exhausted
  Io,           // the operating system or the network said no
  Cancelled,    // somebody asked for the end: exit code 130
  Internal,     // our own fault
};

struct Error {
  ErrorKind kind = ErrorKind::Internal;
  std::string message;
};

template <class T = void>
using Result = std::expected<T, Error>;

// fail(ErrorKind::Invalid, "[gguf] tensor count; got {}, need at most {}", n, kMaxTensors)
template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(ErrorKind kind, fmt::format_string<Args...> text, Args&&... args) {
  return std::unexpected(Error{kind, fmt::format(text, std::forward<Args>(args)...)});
}

// Puts where it happened in front of an error that travels up: `[where] inner text`.
[[nodiscard]] inline std::unexpected<Error> within(std::string_view where, Error error) {
  error.message = fmt::format("[{}] {}", where, error.message);
  return std::unexpected(std::move(error));
}

[[nodiscard]] constexpr int exit_code(ErrorKind kind) {
  return kind == ErrorKind::Usage ? 2 : kind == ErrorKind::Cancelled ? 130 : 1;
}

[[noreturn]] inline void check_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: CHECK(%s) failed: this is a bug of ours, please report it\n", file, line, what);
  std::abort();
}

}  // namespace hearth

#define HEARTH_CONCAT_(a, b) a##b
#define HEARTH_CONCAT(a, b) HEARTH_CONCAT_(a, b)

// TRY(expr): returns the error of `expr` from this function, else goes on.
#define TRY(expr)                                                                            \
  do {                                                                                       \
    if (auto result_ = (expr); !result_) return std::unexpected(std::move(result_).error()); \
  } while (0)

// ASSIGN_OR_RETURN(auto x, expr): x is the value, or this function returns the error.
#define ASSIGN_OR_RETURN_(tmp, lhs, expr)                   \
  auto tmp = (expr);                                        \
  if (!tmp) return std::unexpected(std::move(tmp).error()); \
  lhs = std::move(tmp).value()
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_(HEARTH_CONCAT(result_, __LINE__), lhs, expr)

#define CHECK(cond)                                                 \
  do {                                                              \
    if (!(cond)) ::hearth::check_failed(#cond, __FILE__, __LINE__); \
  } while (0)
