// Errors are values: a text for people, `[where] what; got X, need Y`. Guests are built without exceptions.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace hearth {

template <class T = void>
using Result = std::expected<T, std::string>;

[[nodiscard]] inline std::unexpected<std::string> fail(std::string text) {
  return std::unexpected(std::move(text));
}

}  // namespace hearth

#define HEARTH_CONCAT_(a, b) a##b
#define HEARTH_CONCAT(a, b) HEARTH_CONCAT_(a, b)

// HEARTH_TRY(expr): returns the error of `expr` from this function, else goes on.
#define HEARTH_TRY(...)                                                                                              \
  do {                                                                                                               \
    if (auto hearth_result = (__VA_ARGS__); !hearth_result) return ::hearth::fail(std::move(hearth_result).error()); \
  } while (0)

// HEARTH_LET(auto x, expr): x is the value of `expr`, or this function returns its error.
#define HEARTH_LET_(result, declaration, ...)                    \
  auto result = (__VA_ARGS__);                                   \
  if (!result) return ::hearth::fail(std::move(result).error()); \
  declaration = *std::move(result)
#define HEARTH_LET(declaration, ...) HEARTH_LET_(HEARTH_CONCAT(hearth_result_, __LINE__), declaration, __VA_ARGS__)
