#include "graph/text_words.h"

#include <algorithm>

#include "graph/type.h"

namespace hearth::graph {

bool is_identifier(std::string_view word) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !word.empty() && letter(word[0]) &&
         std::ranges::all_of(word, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

bool starts_type(std::string_view word) {
  return word == "seq" || word == "map" || word == "optional" || word == "sparse_tensor" || word == kUndefinedElement ||
         parse_onnx_name(word).has_value();
}

std::string quoted_text(std::string_view bytes) {
  std::string text = "\"";
  for (const char c : bytes) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

std::string identifier_text(std::string_view word) {
  return is_identifier(word) && !starts_type(word) ? std::string(word) : quoted_text(word);
}

}  // namespace hearth::graph
