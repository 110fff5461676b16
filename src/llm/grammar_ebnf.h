// GBNF and EBNF grammars (`name ::= …`) as Lark.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hearth::llm {

constexpr size_t kMaxRules = 1000;  // of a grammar, in EBNF or Lark

// Understands literals in either quotes, [classes], ( ), |, * + ?, {m}, {m,}, {m,n}, the dot, names with or without
// angle brackets, # comments and an optional ; behind a rule. The rule `root`, else the first one, becomes `start`.
// Rules that need no recursion become terminals, so that the lexer sees regular parts as a whole.
Result<std::string> lark_from_ebnf(std::string_view grammar);

}  // namespace hearth::llm
