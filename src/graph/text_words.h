// Words of the text form that types, the printer and the parser share.
#pragma once

#include <string>
#include <string_view>

namespace hearth::graph {

// A tensor's element type that is not known.
inline constexpr std::string_view kUndefinedElement = "undefined";

bool is_identifier(std::string_view word);  // a letter or '_', then letters, digits, '_'
bool starts_type(std::string_view word);    // "float", "seq", "undefined" …: where a type may stand, it does

// "…" with '"' and '\' escaped by '\'; every other byte stands for itself.
std::string quoted_text(std::string_view bytes);
// The word itself when it is an identifier and no type, else quoted.
std::string identifier_text(std::string_view word);

}  // namespace hearth::graph
