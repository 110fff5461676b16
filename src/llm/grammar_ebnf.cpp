#include "llm/grammar_ebnf.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/quote_bytes.h"
#include "llm/tokenizer_utf8.h"

namespace hearth::llm {
namespace {

constexpr int kMaxDepth = 200;            // nested groups
constexpr int kMaxQuantifiers = 4;        // behind one item: each nests it once more
constexpr uint32_t kMaxRepeat = 100'000;  // of {m,n}
constexpr uint32_t kUnbounded = UINT32_MAX;

struct Node {
  enum class Kind { Literal, Class, Rule, Sequence, Choice, Repeat } kind = Kind::Sequence;
  std::string text;         // of a literal, or of a class as a regular expression
  size_t rule = 0;          // index of the rule meant
  std::vector<Node> parts;  // of a sequence, choice or repeat
  uint32_t least = 0, most = 0;
};

struct Rule {
  std::string name;
  std::optional<Node> body;
  bool regular = false;  // needs no recursion
};

std::string code_point(char32_t c) {
  return fmt::format("\\x{{{:x}}}", uint32_t(c));
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::vector<Rule>> parse() {
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
    return std::move(rules_);
  }

  size_t start() const {
    const auto root = indices_.find("root");
    return root == indices_.end() ? first_ : root->second;
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

// Calls visit(rule) for each rule that a node mentions.
template <class Visit>
void each_rule(const Node& node, const Visit& visit) {
  if (node.kind == Node::Kind::Rule) visit(node.rule);
  for (const Node& part : node.parts) each_rule(part, visit);
}

// A rule is regular when all it mentions is: what never becomes so is recursive or mentions what is.
void find_regular(std::vector<Rule>& rules) {
  std::vector<std::vector<size_t>> users(rules.size());
  std::vector<size_t> waits(rules.size());
  std::vector<size_t> ready;
  for (size_t i = 0; i < rules.size(); ++i) {
    each_rule(*rules[i].body, [&](size_t rule) {
      users[rule].push_back(i);
      ++waits[i];
    });
    if (waits[i] == 0) ready.push_back(i);
  }
  while (!ready.empty()) {
    const size_t rule = ready.back();
    ready.pop_back();
    rules[rule].regular = true;
    for (size_t user : users[rule]) {
      if (--waits[user] == 0) ready.push_back(user);
    }
  }
}

class Writer {
 public:
  explicit Writer(const std::vector<Rule>& rules) : rules_(rules) {}

  std::string write(size_t start) {
    out_ = "start: " + name(start) + "\n";
    for (size_t i = 0; i < rules_.size(); ++i) {
      std::string line = name(i);
      line += ": ";
      line += rules_[i].regular ? terminal(*rules_[i].body) : mixed(*rules_[i].body);
      out_ += line + "\n";
    }
    return out_;
  }

 private:
  std::string name(size_t rule) const { return fmt::format("{}{}", rules_[rule].regular ? "R" : "r", rule); }

  bool regular(const Node& node) const {
    bool all = true;
    each_rule(node, [&](size_t rule) { all = all && rules_[rule].regular; });
    return all;
  }

  static std::string quantifier(const Node& node) {
    if (node.most == kUnbounded) {
      if (node.least <= 1) return node.least == 0 ? "*" : "+";
      return fmt::format("{{{},}}", node.least);
    }
    if (node.least == 0 && node.most == 1) return "?";
    return fmt::format("{{{},{}}}", node.least, node.most);
  }

  template <class Part>
  std::string group(const Node& node, std::string_view between, const Part& part) const {
    std::string text = "(";
    for (const Node& inner : node.parts) {
      if (text.size() > 1) text += between;
      text += part(inner);
    }
    return text + ")";
  }

  std::string terminal(const Node& node) const {
    const auto inner = [&](const Node& part) { return terminal(part); };
    switch (node.kind) {
      case Node::Kind::Literal:
        return nlohmann::json(node.text).dump();
      case Node::Kind::Class:
        return "/" + node.text + "/";
      case Node::Kind::Rule:
        return name(node.rule);
      case Node::Kind::Sequence:
        return node.parts.empty() ? "\"\"" : group(node, " ", inner);
      case Node::Kind::Choice:
        return group(node, " | ", inner);
      case Node::Kind::Repeat:
        return group(node, "", inner) + quantifier(node);
    }
    return {};
  }

  // A node of a rule that is not regular: its regular parts, neighbours together, are terminals of their own.
  std::string mixed(const Node& node) {
    if (regular(node)) return lexeme(node);
    switch (node.kind) {
      case Node::Kind::Rule:
        return name(node.rule);
      case Node::Kind::Repeat:
        return "(" + mixed(node.parts[0]) + ")" + quantifier(node);
      case Node::Kind::Choice: {
        std::string text = "(";
        for (const Node& part : node.parts) {
          if (text.size() > 1) text += " | ";
          text += mixed(part);
        }
        return text + ")";
      }
      default:
        break;
    }
    std::string text = "(";
    Node run{Node::Kind::Sequence};
    const auto flush = [&] {
      if (run.parts.empty()) return;
      text += lexeme(run) + " ";
      run.parts.clear();
    };
    for (const Node& part : node.parts) {
      if (regular(part)) {
        run.parts.push_back(part);
      } else {
        flush();
        text += mixed(part) + " ";
      }
    }
    flush();
    return text + ")";
  }

  std::string lexeme(const Node& node) {
    const Node* only = &node;
    while (only->kind == Node::Kind::Sequence && only->parts.size() == 1) only = &only->parts[0];
    if (only->kind == Node::Kind::Rule || only->kind == Node::Kind::Literal) return terminal(*only);
    const std::string made = fmt::format("P{}", parts_++);
    out_ += made + ": " + terminal(node) + "\n";
    return made;
  }

  const std::vector<Rule>& rules_;
  std::string out_;
  size_t parts_ = 0;
};

}  // namespace

Result<std::string> lark_from_ebnf(std::string_view grammar) {
  Parser parser(grammar);
  ASSIGN_OR_RETURN(std::vector<Rule> rules, parser.parse());
  find_regular(rules);
  return Writer(rules).write(parser.start());
}

}  // namespace hearth::llm
