// A small tokenizer for random models, trained on a few sentences: real merges, all bytes, ChatML.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace hearth::llm {

struct SmallTokenizer {
  bool spm = false;                 // SentencePiece-style with byte tokens; else byte-level BPE
  std::vector<std::string> tokens;  // as vocabularies write them
  std::vector<float> scores;        // SentencePiece only
  std::vector<int32_t> types;       // GGUF's: 1 normal, 2 unknown, 3 control, 6 byte
  std::vector<std::pair<std::string, std::string>> merges;
  uint32_t bos = 0, eos = 0, unk = 0;
  std::string pre;  // GGUF's name of the pre-tokenizer
  std::string chat_template;

  std::string tokenizer_json() const;
};

SmallTokenizer make_small_tokenizer(bool spm);

}  // namespace hearth::llm
