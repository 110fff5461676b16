// Typed key-value pairs of a model file: GGUF metadata as it stands, config.json with nested keys joined by dots.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace hearth::llm {

class Metadata {
 public:
  using Numbers = std::vector<double>;
  using Strings = std::vector<std::string_view>;
  using Value = std::variant<std::monostate, bool, int64_t, double, std::string_view, Numbers, Strings>;

  // std::monostate is JSON's null. Text in values must outlive this object: it lies in a mapped file, or in own().
  bool set(std::string_view key, Value value) { return values_.emplace(key, std::move(value)).second; }  // false: known
  std::string_view own(std::string text) { return owned_.emplace_back(std::move(text)); }
  const Value* find(std::string_view key) const {
    const auto it = values_.find(key);
    return it == values_.end() ? nullptr : &it->second;
  }
  template <class T>
  const T* get(std::string_view key) const {  // nullptr when absent or of another type
    const Value* value = find(key);
    return value == nullptr ? nullptr : std::get_if<T>(value);
  }

 private:
  std::map<std::string, Value, std::less<>> values_;
  std::deque<std::string> owned_;  // a deque: views of earlier texts stay valid
};

// Reads keys below one prefix and remembers the first thing that is wrong, so that a reader is a plain list of
// assignments. A key without a fallback is required.
class ConfigReader {
 public:
  ConfigReader(const Metadata& metadata, std::string prefix) : metadata_(metadata), prefix_(std::move(prefix)) {}

  bool has(std::string_view key) const;      // null counts as absent, here and below
  bool is_null(std::string_view key) const;  // said to be nothing, which for some keys differs from saying nothing
  int64_t integer(std::string_view key);
  int64_t integer(std::string_view key, int64_t fallback);
  double number(std::string_view key);
  double number(std::string_view key, double fallback);
  bool flag(std::string_view key, bool fallback);
  std::string_view text(std::string_view key, std::string_view fallback);
  std::vector<float> numbers(std::string_view key);           // empty when absent
  std::vector<std::string_view> texts(std::string_view key);  // empty when absent

  // "[config] KEY; what", kept unless something was wrong before.
  void refuse(ErrorKind kind, std::string_view key, std::string_view what);
  Result<> finish() const;

  const Metadata& metadata() const { return metadata_; }
  std::string full(std::string_view key) const { return prefix_ + std::string(key); }

 private:
  const Metadata::Value* find(std::string_view key) const;
  const Metadata& metadata_;
  std::string prefix_;
  Error error_;  // empty text: none so far
};

}  // namespace hearth::llm
