// An EBNF grammar as a tree: what the parser gives and the writer takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth::llm::ebnf {

inline constexpr uint32_t kUnbounded = UINT32_MAX;

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

struct Grammar {
  std::vector<Rule> rules;  // each has its body
  size_t start = 0;         // "root", or the first that is defined
};

// Syntax errors name their line; every rule that is used must be defined, once.
Result<Grammar> parse(std::string_view text);

}  // namespace hearth::llm::ebnf
