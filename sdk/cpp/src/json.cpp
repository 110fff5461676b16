#include "hearth/json.hpp"

namespace hearth {
namespace {

constexpr int kMaxDepth = 64;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Json> document() {
    HEARTH_LET(Json value, parse(0));
    skip_space();
    if (at_ != text_.size()) return wrong("the end");
    return value;
  }

 private:
  std::unexpected<std::string> wrong(std::string_view need) const {
    std::string got = at_ < text_.size() ? "\"" + std::string(text_.substr(at_, 12)) + "\"" : "the end";
    return fail("[json] at byte " + std::to_string(at_) + "; got " + got + ", need " + std::string(need));
  }
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").contains(text_[at_])) ++at_;
  }
  bool eat(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool eat_word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  Result<Json> parse(int depth) {
    if (depth > kMaxDepth) return wrong("at most 64 levels");
    skip_space();
    Json out;
    if (at_ >= text_.size()) return wrong("a value");
    const char c = text_[at_];
    if (c == '"') {
      out.kind = Json::Kind::Text;
      HEARTH_LET(out.text, string());
    } else if (c == '{') {
      HEARTH_TRY(object(out, depth));
    } else if (c == '[') {
      HEARTH_TRY(array(out, depth));
    } else if (eat_word("true")) {
      out.kind = Json::Kind::True;
    } else if (eat_word("false")) {
      out.kind = Json::Kind::False;
    } else if (!eat_word("null")) {
      HEARTH_TRY(number(out));
    }
    return out;
  }

  Result<> object(Json& out, int depth) {
    out.kind = Json::Kind::Object;
    ++at_;
    if (eat('}')) return {};
    do {
      skip_space();
      if (at_ >= text_.size() || text_[at_] != '"') return wrong("a name in quotes");
      HEARTH_LET(std::string name, string());
      if (!eat(':')) return wrong("a colon");
      HEARTH_LET(Json value, parse(depth + 1));
      out.names.push_back(std::move(name));
      out.items.push_back(std::move(value));
    } while (eat(','));
    if (!eat('}')) return wrong("a comma or }");
    return {};
  }

  Result<> array(Json& out, int depth) {
    out.kind = Json::Kind::Array;
    ++at_;
    if (eat(']')) return {};
    do {
      HEARTH_LET(Json value, parse(depth + 1));
      out.items.push_back(std::move(value));
    } while (eat(','));
    if (!eat(']')) return wrong("a comma or ]");
    return {};
  }

  bool digits() {
    const size_t start = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > start;
  }
  Result<> number(Json& out) {
    const size_t start = at_;
    if (at_ < text_.size() && text_[at_] == '-') ++at_;
    const size_t whole = at_;
    if (!digits() || (text_[whole] == '0' && at_ - whole > 1)) return at_ = start, wrong("a value");
    if (at_ < text_.size() && text_[at_] == '.' && (++at_, !digits())) return wrong("a digit");
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (!digits()) return wrong("a digit");
    }
    out.kind = Json::Kind::Number;
    out.text = text_.substr(start, at_ - start);
    return {};
  }

  // Four hex digits, or -1.
  int32_t hex4() {
    if (text_.size() - at_ < 4) return -1;
    int32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = text_[at_ + i];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    at_ += 4;
    return value;
  }
  static void push_utf8(std::string& out, uint32_t c) {
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x800) {
      out += static_cast<char>(0xC0 | c >> 6);
      out += static_cast<char>(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
      out += static_cast<char>(0xE0 | c >> 12);
      out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
      out += static_cast<char>(0x80 | (c & 0x3F));
    } else {
      out += static_cast<char>(0xF0 | c >> 18);
      out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
      out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
      out += static_cast<char>(0x80 | (c & 0x3F));
    }
  }
  Result<std::string> string() {
    std::string out;
    for (++at_;;) {
      if (at_ >= text_.size()) return wrong("a closing quote");
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) return wrong("an escaped control character");
      ++at_;
      if (c == '"') return out;
      if (c != '\\') {
        out += c;
        continue;
      }
      HEARTH_TRY(escape(out));
    }
  }
  Result<> escape(std::string& out) {
    static constexpr std::string_view kNames = "\"\\/bfnrt", kValues = "\"\\/\b\f\n\r\t";
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    if (const size_t i = kNames.find(c); i != kNames.npos && c != '\0') {
      out += kValues[i];
      return {};
    }
    if (c != 'u') return wrong("one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u");
    const int32_t first = hex4();
    if (first < 0) return wrong("four hex digits");
    uint32_t character = static_cast<uint32_t>(first);
    if (first >= 0xD800 && first < 0xDC00 && eat_word("\\u")) {
      const int32_t second = hex4();
      if (second < 0xDC00 || second > 0xDFFF) return wrong("the second half of a surrogate pair");
      character = 0x10000 + ((character - 0xD800) << 10) + static_cast<uint32_t>(second - 0xDC00);
    } else if (first >= 0xD800 && first <= 0xDFFF) {
      character = 0xFFFD;  // half a pair is no character
    }
    push_utf8(out, character);
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<Json> Json::parse(std::string_view text) {
  return Parser(text).document();
}

const Json* Json::find(std::string_view name) const {
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return &items[i];
  return nullptr;
}

std::string json_quote(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string Json::show() const {
  switch (kind) {
    case Kind::Null:
      return "null";
    case Kind::False:
      return "false";
    case Kind::True:
      return "true";
    case Kind::Number:
      return text;
    case Kind::Text:
      return json_quote(text);
    case Kind::Array:
    case Kind::Object:
      break;
  }
  const bool object = kind == Kind::Object;
  std::string out(1, object ? '{' : '[');
  for (size_t i = 0; i < items.size(); ++i) {
    if (i) out += ',';
    if (object) out += json_quote(names[i]) + ":";
    out += items[i].show();
  }
  return out += object ? '}' : ']';
}

}  // namespace hearth
