// Small vocabularies for the tests of this folder.
#pragma once

#include <string>

#include "llm/model_file.h"

namespace hearth::llm {

// Byte-level BPE: two special tokens, the 256 bytes in order, then some merged words.
inline constexpr uint32_t kByteEnd = 0, kByteTool = 1, kFirstByte = 2;
TokenizerSource byte_vocabulary();

// SentencePiece-style: <unk> <s> </s>, the 256 byte tokens, pieces with scores; with the space prefix.
TokenizerSource piece_vocabulary();

// The same tokenizers as the text of a tokenizer.json.
std::string byte_vocabulary_json();

}  // namespace hearth::llm
