#include "pie/guest_arguments.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace hearth::pie {
namespace {

constexpr std::string_view kWords = "_";  // the member that holds words without an option

bool digit(char c) {
  return c >= '0' && c <= '9';
}

// A number exactly as JSON writes it. Only such a word becomes a number, and it keeps its spelling: 1.10 stays 1.10,
// 007 and 1e stay texts.
bool json_number(std::string_view word) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t start = at;
    while (at < word.size() && digit(word[at])) ++at;
    return at > start;
  };
  if (at < word.size() && word[at] == '-') ++at;
  const size_t whole = at;
  if (!digits() || (word[whole] == '0' && at - whole > 1)) return false;
  if (at < word.size() && word[at] == '.' && (++at, !digits())) return false;
  if (at < word.size() && (word[at] == 'e' || word[at] == 'E')) {
    ++at;
    if (at < word.size() && (word[at] == '+' || word[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == word.size();
}

// Well-formed UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF.
bool utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t at) -> uint32_t {
      return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
    };
    const uint32_t first = byte(i);
    const size_t size = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
    if (size == 0) return false;
    uint32_t character = size == 1 ? first : first & (0xFFu >> (size + 1));
    for (size_t k = 1; k < size; ++k) {
      if (byte(i + k) >> 6 != 2) return false;
      character = character << 6 | (byte(i + k) & 0x3F);
    }
    constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (character < kLeast[size] || character > 0x10FFFF || (character >= 0xD800 && character < 0xE000)) return false;
    i += size;
  }
  return true;
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string json_value(std::string_view word) {
  if (word == "true" || word == "false" || json_number(word)) return std::string(word);
  return quote(word);
}

// Members in the order of their first appearance; values are JSON texts.
class Object {
 public:
  std::vector<std::string>& values(std::string_view name) {
    const auto at = std::ranges::find(members_, name, &Member::first);
    return at != members_.end() ? at->second : members_.emplace_back(name, std::vector<std::string>()).second;
  }
  std::string json() const {
    std::string out = "{";
    for (const auto& [name, values] : members_) {
      out += fmt::format("{}{}:", out.size() > 1 ? "," : "", quote(name));
      out += values.size() == 1 && name != kWords ? values.front() : fmt::format("[{}]", fmt::join(values, ","));
    }
    return out + "}";
  }

 private:
  using Member = std::pair<std::string, std::vector<std::string>>;
  std::vector<Member> members_;
};

// A word that cannot be an option, so that it may be the value of the option before it.
bool value_word(std::string_view word) {
  return word.size() < 2 || word[0] != '-' || json_number(word);
}

}  // namespace

Result<GuestArguments> guest_arguments(std::string_view program, std::span<const std::string> words) {
  GuestArguments out;
  out.argv.emplace_back(program);
  Object object;
  bool options = true;  // until a word `--`
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (!utf8(word)) return fail(ErrorKind::Usage, "[arguments] word {} after --; need UTF-8", i + 1);
    out.argv.emplace_back(word);
    if (!options || value_word(word)) {
      object.values(kWords).push_back(quote(word));
      continue;
    }
    if (word == "--") {
      options = false;
      continue;
    }
    const bool is_long = word.starts_with("--");
    const size_t equals = word.find('=');
    const std::string_view name =
        word.substr(is_long ? 2 : 1, equals == word.npos ? equals : equals - (is_long ? 2 : 1));
    if (name.empty() || name == kWords || (!is_long && name.size() != 1))
      return fail(ErrorKind::Usage, "[arguments] got \"{}\", need --NAME, --NAME=VALUE, -N with one letter, or a word",
                  word);
    auto& values = object.values(name);
    if (equals != word.npos) {
      values.push_back(json_value(word.substr(equals + 1)));
    } else if (i + 1 < words.size() && value_word(words[i + 1])) {
      if (!utf8(words[i + 1])) return fail(ErrorKind::Usage, "[arguments] word {} after --; need UTF-8", i + 2);
      values.push_back(json_value(words[++i]));
      out.argv.push_back(words[i]);
    } else {
      values.push_back("true");
    }
  }
  out.json = object.json();
  return out;
}

}  // namespace hearth::pie
