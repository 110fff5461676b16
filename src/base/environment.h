// Environment variables, read where they are needed; an empty value counts as not set.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace hearth {

inline std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

// "1", "true", "yes", "on" in any case.
inline bool environment_flag(const char* name) {
  auto value = environment(name);
  if (!value) return false;
  for (char& c : *value) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return *value == "1" || *value == "true" || *value == "yes" || *value == "on";
}

}  // namespace hearth
