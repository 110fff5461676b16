// UTF-8 as the tokenizers need it: where a character ends, and what to do with bytes that are none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hearth::llm {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

// Bytes of the well-formed character that begins at text[at] (1 to 4); 0 when what stands there is ill-formed.
// `cut_off`, when given, tells whether the text ends inside a character that is well-formed so far.
size_t utf8_character(std::string_view text, size_t at, bool* cut_off = nullptr);

void append_utf8(std::string& out, char32_t character);
char32_t decode_utf8(std::string_view character);  // of one well-formed character

}  // namespace hearth::llm
