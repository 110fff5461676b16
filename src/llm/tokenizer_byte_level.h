// The byte-level alphabet: 256 printable characters that stand for the 256 bytes, so that a vocabulary is plain text.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "llm/tokenizer_encoder.h"

namespace hearth::llm {

// The bytes a token stands for. A character outside the alphabet stands for its own UTF-8.
std::string byte_level_bytes(std::string_view token);

// The token of each single byte among the plain tokens, kNoToken where there is none.
std::array<uint32_t, 256> byte_level_ids(const Vocabulary& vocabulary);

}  // namespace hearth::llm
