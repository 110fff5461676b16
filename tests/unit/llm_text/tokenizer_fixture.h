// What the tests of tokenizers share: making one, and texts at random.
#pragma once

#include <gtest/gtest.h>

#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "llm/tokenizer.h"
#include "llm_text/vocabularies.h"

namespace hearth::llm {

using Shared = std::shared_ptr<const Tokenizer>;
using Ids = std::vector<uint32_t>;

inline Shared make(const TokenizerSource& source) {
  auto made = Tokenizer::create(source);
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return made.value();
}

inline std::string error(const TokenizerSource& source) {
  auto made = Tokenizer::create(source);
  return made ? "no error" : made.error().message;
}

inline TokenizerSource from_json(std::string json) {
  TokenizerSource source;
  source.tokenizer_json = std::move(json);
  return source;
}

inline std::string random_bytes(std::mt19937& random, size_t most) {
  std::string out(random() % (most + 1), '\0');
  for (char& c : out) c = random() % 4 ? "eth \n<|>\"1"[random() % 10] : char(random());
  return out;
}

inline std::string random_unicode(std::mt19937& random, size_t most) {
  std::string out;
  for (size_t i = random() % (most + 1); i > 0; --i) {
    const char* const samples[] = {"t",
                                   "h",
                                   "e",
                                   " ",
                                   "\n",
                                   "ä",
                                   "中",
                                   "🙂",
                                   "\xCC\x81",
                                   "\xC2\xA0",
                                   "0",
                                   "٣",
                                   "\xE2\x96\x81",
                                   "\xF4\x8F\xBF\xBF",
                                   "\xF4\x8F\xA0\x85",
                                   "<|tool|>",
                                   "[USER]",
                                   "</s>",
                                   "the"};
    out += samples[random() % std::size(samples)];
  }
  return out;
}

}  // namespace hearth::llm
