// Pre-tokenizers by the names that GGUF files give them: the rules that cut text into pieces before byte pairs merge.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hearth::llm {

struct PreTokenizer {
  std::span<const std::string_view> splits;  // regular expressions, one after another; matches and gaps are pieces
  bool ignore_merges = false;                // a piece that is a token as a whole is that token
  bool nfc = false;                          // the model saw text in Unicode form C
};

Result<PreTokenizer> find_pre_tokenizer(std::string_view name);

}  // namespace hearth::llm
