#include "llm/grammar_ebnf.h"

#include <nlohmann/json.hpp>

#include "llm/grammar_ebnf_rules.h"

namespace hearth::llm {
namespace {

using ebnf::kUnbounded;
using ebnf::Node;
using ebnf::Rule;

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
  ASSIGN_OR_RETURN(ebnf::Grammar parsed, ebnf::parse(grammar));
  find_regular(parsed.rules);
  return Writer(parsed.rules).write(parsed.start);
}

}  // namespace hearth::llm
