#include <algorithm>
#include <unordered_map>

#include "base/quote_bytes.h"
#include "llm/grammar_ebnf.h"
#include "llm/grammar_ebnf_rules.h"
#include "llm/tokenizer_utf8.h"

namespace hearth::llm::ebnf {
namespace {

constexpr int kMaxDepth = 200;            // nested groups
constexpr int kMaxQuantifiers = 4;        // behind one item: each nests it once more
constexpr uint32_t kMaxRepeat = 100'000;  // of {m,n}

std::string code_point(char32_t c) {
  return fmt::format("\\x{{{:x}}}", uint32_t(c));
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Grammar> parse() {
    skip();
    while (at_ < text_.size()) {
      const std::string name = take_name();
      if (name.empty()) return wrong("a rule name");
      skip();
      if (!take("::=")) return wrong("::=");
      ASSIGN_OR_RETURN(Node body, choice(0));
      skip();
      take(";");
      skip();
      const size_t rule = rule_index(name);
      if (rules_[rule].body) return fail(ErrorKind::Invalid, "[grammar] rule {} is defined twice", quote_bytes(name));
      if (defined_.empty()) first_ = rule;
      defined_.push_back(rule);
      rules_[rule].body = std::move(body);
    }
    if (defined_.empty()) return fail(ErrorKind::Invalid, "[grammar] no rules");
    if (rules_.size() > kMaxRules) {
      return fail(ErrorKind::Limit, "[grammar] rules; got {}, need at most {}", rules_.size(), kMaxRules);
    }
    for (const Rule& rule : rules_) {
      if (!rule.body)
        return fail(ErrorKind::Invalid, "[grammar] rule {} is used but not defined", quote_bytes(rule.name));
    }
    const auto root = indices_.find("root");
    return Grammar{std::move(rules_), root == indices_.end() ? first_ : root->second};
  }

 private:
  std::unexpected<Error> wrong(std::string_view need) const {
    const auto line = 1 + std::ranges::count(text_.substr(0, at_), '\n');
    std::string_view got = text_.substr(at_, 20);
    return fail(ErrorKind::Invalid, "[grammar] line {}; got {}, need {}", line, quote_bytes(got), need);
  }

  void skip() {
    while (at_ < text_.size()) {
      if (std::string_view(" \t\r\n").contains(text_[at_])) {
        ++at_;
      } else if (text_[at_] == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else {
        return;
      }
    }
  }

  bool take(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }

  static bool name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  }

  std::string take_name() {
    const size_t before = at_;
    const bool angle = take("<");
    const size_t begin = at_;
    while (at_ < text_.size() && name_character(text_[at_])) ++at_;
    std::string name(text_.substr(begin, at_ - begin));
    if (angle && !take(">")) name.clear();
    if (name.empty()) at_ = before;
    return name;
  }

  size_t rule_index(const std::string& name) {
    const auto [place, added] = indices_.try_emplace(name, rules_.size());
    if (added) rules_.push_back({name, std::nullopt, false});
    return place->second;
  }

  bool rule_begins() {
    const size_t before = at_;
    bool begins = !take_name().empty();
    if (begins) {
      skip();
      begins = text_.substr(at_).starts_with("::=");
    }
    at_ = before;
    return begins;
  }

  Result<Node> choice(int depth) {
    if (depth > kMaxDepth) return fail(ErrorKind::Limit, "[grammar] nested groups; need at most {}", kMaxDepth);
    Node node{Node::Kind::Choice};
    do {
      ASSIGN_OR_RETURN(Node part, sequence(depth));
      node.parts.push_back(std::move(part));
      skip();
    } while (take("|"));
    if (node.parts.size() == 1) return std::move(node.parts[0]);
    return node;
  }

  Result<Node> sequence(int depth) {
    Node node{Node::Kind::Sequence};
    for (skip(); at_ < text_.size() && !std::string_view("|);").contains(text_[at_]) && !rule_begins(); skip()) {
      ASSIGN_OR_RETURN(Node item, primary(depth));
      for (int count = 1;; ++count) {
        const std::optional<std::pair<uint32_t, uint32_t>> range = take_quantifier();
        if (!range) break;
        if (count > kMaxQuantifiers) {
          return fail(ErrorKind::Limit, "[grammar] quantifiers in a row; need at most {}", kMaxQuantifiers);
        }
        if (range->first > range->second || (range->second != kUnbounded && range->second > kMaxRepeat) ||
            range->first > kMaxRepeat) {
          return fail(ErrorKind::Limit, "[grammar] repetition; got {} to {}, need at most {} and in order",
                      range->first, range->second, kMaxRepeat);
        }
        Node repeat{Node::Kind::Repeat};
        repeat.least = range->first;
        repeat.most = range->second;
        repeat.parts.push_back(std::move(item));
        item = std::move(repeat);
      }
      if (item.kind != Node::Kind::Literal || !item.text.empty()) node.parts.push_back(std::move(item));
    }
    return node;
  }

  std::optional<std::pair<uint32_t, uint32_t>> take_quantifier() {
    if (take("*")) return {{0, kUnbounded}};
    if (take("+")) return {{1, kUnbounded}};
    if (take("?")) return {{0, 1}};
    const size_t before = at_;
    if (!take("{")) return std::nullopt;
    const auto number = [&]() -> std::optional<uint32_t> {
      skip();
      std::optional<uint32_t> value;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
        value = std::min<uint32_t>(value.value_or(0) * 10 + uint32_t(text_[at_++] - '0'), kMaxRepeat + 1);
      }
      skip();
      return value;
    };
    const std::optional<uint32_t> least = number();
    std::optional<uint32_t> most = least;
    if (take(",")) most = number().value_or(kUnbounded);
    if (!take("}") || !most) {
      at_ = before;
      return std::nullopt;
    }
    return {{least.value_or(0), *most}};
  }

  Result<Node> primary(int depth) {
    if (take("(")) {
      ASSIGN_OR_RETURN(Node inner, choice(depth + 1));
      if (!take(")")) return wrong(")");
      return inner;
    }
    if (text_[at_] == '"' || text_[at_] == '\'') return literal(text_[at_++]);
    if (take("[")) return character_class();
    if (take(".")) return Node{Node::Kind::Class, R"((?s:.))"};
    const std::string name = take_name();
    if (name.empty()) return wrong("a literal, class, group or rule name");
    Node node{Node::Kind::Rule};
    node.rule = rule_index(name);
    return node;
  }

  // One character of a literal or class, escapes resolved.
  Result<char32_t> character() {
    const size_t length = utf8_character(text_, at_);
    if (length == 0) return wrong("UTF-8");
    const std::string_view raw = text_.substr(at_, length);
    at_ += length;
    if (raw != "\\") return decode_utf8(raw);
    if (at_ == text_.size()) return wrong("a character behind \\");
    const char escape = text_[at_++];
    size_t digits = 0;
    switch (escape) {
      case 'n':
        return U'\n';
      case 'r':
        return U'\r';
      case 't':
        return U'\t';
      case 'x':
        digits = 2;
        break;
      case 'u':
        digits = 4;
        break;
      case 'U':
        digits = 8;
        break;
      default:
        if (uint8_t(escape) < 0x80) return char32_t(escape);
        return wrong("an ASCII character behind \\");
    }
    uint64_t value = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      const size_t digit =
          at_ < text_.size() ? std::string_view("0123456789abcdefABCDEF").find(text_[at_]) : std::string_view::npos;
      if (digit == std::string_view::npos) return wrong("a hexadecimal digit");
      value = value * 16 + (digit < 16 ? digit : digit - 6);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return wrong("a Unicode character");
    return char32_t(value);
  }

  Result<Node> literal(char quote) {
    Node node{Node::Kind::Literal};
    while (at_ < text_.size() && text_[at_] != quote) {
      ASSIGN_OR_RETURN(const char32_t c, character());
      append_utf8(node.text, c);
    }
    if (at_++ >= text_.size()) return fail(ErrorKind::Invalid, "[grammar] a literal does not end");
    return node;
  }

  Result<Node> character_class() {
    std::string regex = take("^") ? "[^" : "[";
    const size_t empty = regex.size();
    while (at_ < text_.size() && text_[at_] != ']') {
      ASSIGN_OR_RETURN(const char32_t low, character());
      regex += code_point(low);
      if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
        ++at_;
        ASSIGN_OR_RETURN(const char32_t high, character());
        if (high < low) return wrong("a range in order");
        regex += '-';
        regex += code_point(high);
      }
    }
    if (!take("]")) return fail(ErrorKind::Invalid, "[grammar] a character class does not end");
    if (regex.size() == empty) return wrong("a character class with characters");
    return Node{Node::Kind::Class, regex + "]"};
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<Rule> rules_;
  std::unordered_map<std::string, size_t> indices_;
  std::vector<size_t> defined_;
  size_t first_ = 0;
};

}  // namespace

Result<Grammar> parse(std::string_view text) {
  return Parser(text).parse();
}

}  // namespace hearth::llm::ebnf
