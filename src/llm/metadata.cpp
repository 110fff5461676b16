#include "llm/metadata.h"

#include <algorithm>
#include <cmath>

namespace hearth::llm {

const Metadata::Value* ConfigReader::find(std::string_view key) const {
  const Metadata::Value* value = metadata_.find(full(key));
  return value != nullptr && std::holds_alternative<std::monostate>(*value) ? nullptr : value;
}

bool ConfigReader::is_null(std::string_view key) const {
  return metadata_.get<std::monostate>(full(key)) != nullptr;
}

bool ConfigReader::has(std::string_view key) const {
  return find(key) != nullptr;
}

int64_t ConfigReader::integer(std::string_view key) {
  if (!has(key)) refuse(ErrorKind::Invalid, key, "is missing; need an integer");
  return integer(key, 0);
}

int64_t ConfigReader::integer(std::string_view key, int64_t fallback) {
  const Metadata::Value* value = find(key);
  if (value == nullptr) return fallback;
  if (const auto* whole = std::get_if<int64_t>(value)) return *whole;
  if (const auto* real = std::get_if<double>(value); real && std::floor(*real) == *real && std::abs(*real) < 9e15)
    return static_cast<int64_t>(*real);
  // Some files list a value per layer; we serve those whose layers agree.
  if (const auto* list = std::get_if<Metadata::Numbers>(value); list && !list->empty()) {
    const double first = list->front();
    if (!std::all_of(list->begin(), list->end(), [&](double x) { return x == first; })) {
      refuse(ErrorKind::Unsupported, key, "differs from layer to layer; need one value for all layers");
      return fallback;
    }
    if (std::floor(first) == first && std::abs(first) < 9e15) return static_cast<int64_t>(first);
  }
  refuse(ErrorKind::Invalid, key, "is of another type; need an integer");
  return fallback;
}

double ConfigReader::number(std::string_view key) {
  if (!has(key)) refuse(ErrorKind::Invalid, key, "is missing; need a number");
  return number(key, 0);
}

double ConfigReader::number(std::string_view key, double fallback) {
  const Metadata::Value* value = find(key);
  if (value == nullptr) return fallback;
  if (const auto* real = std::get_if<double>(value)) return *real;
  if (const auto* whole = std::get_if<int64_t>(value)) return static_cast<double>(*whole);
  refuse(ErrorKind::Invalid, key, "is of another type; need a number");
  return fallback;
}

bool ConfigReader::flag(std::string_view key, bool fallback) {
  const Metadata::Value* value = find(key);
  if (value == nullptr) return fallback;
  if (const auto* truth = std::get_if<bool>(value)) return *truth;
  refuse(ErrorKind::Invalid, key, "is of another type; need true or false");
  return fallback;
}

std::string_view ConfigReader::text(std::string_view key, std::string_view fallback) {
  const Metadata::Value* value = find(key);
  if (value == nullptr) return fallback;
  if (const auto* words = std::get_if<std::string_view>(value)) return *words;
  refuse(ErrorKind::Invalid, key, "is of another type; need a string");
  return fallback;
}

std::vector<float> ConfigReader::numbers(std::string_view key) {
  const Metadata::Value* value = find(key);
  if (value == nullptr) return {};
  if (const auto* list = std::get_if<Metadata::Numbers>(value)) {
    std::vector<float> floats(list->size());
    std::transform(list->begin(), list->end(), floats.begin(), [](double x) { return static_cast<float>(x); });
    return floats;
  }
  refuse(ErrorKind::Invalid, key, "is of another type; need a list of numbers");
  return {};
}

std::vector<std::string_view> ConfigReader::texts(std::string_view key) {
  const Metadata::Value* value = find(key);
  if (value == nullptr) return {};
  if (const auto* list = std::get_if<Metadata::Strings>(value)) return *list;
  if (const auto* list = std::get_if<Metadata::Numbers>(value); list && list->empty()) return {};
  refuse(ErrorKind::Invalid, key, "is of another type; need a list of strings");
  return {};
}

void ConfigReader::refuse(ErrorKind kind, std::string_view key, std::string_view what) {
  if (error_.message.empty())
    error_ = Error{kind, fmt::format("[config] {}{}{}", full(key), what.starts_with(';') ? "" : " ", what)};
}

Result<> ConfigReader::finish() const {
  if (!error_.message.empty()) return std::unexpected(error_);
  return {};
}

}  // namespace hearth::llm
