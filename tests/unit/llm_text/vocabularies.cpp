#include "llm_text/vocabularies.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "llm/tokenizer_utf8.h"

namespace hearth::llm {
namespace {

std::string byte_letter(int byte) {
  const auto visible = [](int b) { return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE; };
  int code = byte;
  if (!visible(byte)) {
    code = 256;
    for (int b = 0; b < byte; ++b) code += !visible(b);
  }
  std::string out;
  append_utf8(out, char32_t(code));
  return out;
}

}  // namespace

TokenizerSource byte_vocabulary() {
  TokenizerSource source;
  source.model = "gpt2";
  source.pre = "smollm";
  source.tokens = {"<|endoftext|>", "<|tool|>"};
  for (int byte = 0; byte < 256; ++byte) source.tokens.push_back(byte_letter(byte));
  for (const auto& [left, right] : {std::pair("t", "h"),
                                    {"th", "e"},
                                    {"the", "n"},
                                    {"h", "i"},
                                    {"Ġ", "the"},
                                    {"\"", ":"},
                                    {"Ã", "¤"},
                                    {"t", "r"},
                                    {"tr", "u"},
                                    {"tru", "e"},
                                    {"Ġ", "Ġ"}}) {
    source.merges.push_back(fmt::format("{} {}", left, right));
    source.tokens.push_back(std::string(left) + right);
  }
  source.types.assign(source.tokens.size(), 1);
  source.types[0] = source.types[1] = 3;
  source.bos = source.eos = kByteEnd;
  return source;
}

std::string byte_vocabulary_json() {
  const TokenizerSource source = byte_vocabulary();
  nlohmann::json vocabulary;
  nlohmann::json added = nlohmann::json::array();
  for (size_t id = 0; id < source.tokens.size(); ++id) {
    if (source.types[id] == 3) {
      added.push_back({{"id", id},
                       {"content", source.tokens[id]},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", true}});
    }
    vocabulary[source.tokens[id]] = id;
  }
  const nlohmann::json split = {{"type", "Digits"}, {"individual_digits", true}};
  const nlohmann::json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  return nlohmann::json{{"version", "1.0"},
                        {"added_tokens", added},
                        {"normalizer", nullptr},
                        {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {split, byte_level}}}},
                        {"post_processor", nullptr},
                        {"decoder", byte_level},
                        {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", source.merges}}}}
      .dump();
}

TokenizerSource piece_vocabulary() {
  TokenizerSource source;
  source.model = "llama";
  const auto add = [&](std::string text, float score, int32_t type) {
    source.tokens.push_back(std::move(text));
    source.scores.push_back(score);
    source.types.push_back(type);
  };
  add("<unk>", 0, 2);
  add("<s>", 0, 3);
  add("</s>", 0, 3);
  for (int byte = 0; byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte), 0, 6);
  float score = 0;
  for (const char* piece :
       {"▁",  "a",  "b",   "c",     "d",      "e",  "h",  "l",  "o",    "r",      "w",  "ab",   "bc", "abc", "▁a",
        "he", "ll", "llo", "hello", "▁hello", "▁w", "or", "ld", "▁wor", "▁world", "▁▁", "▁▁▁▁", "ä",  "中"}) {
    add(piece, score, 1);
    score -= 1;
  }
  add("[USER]", 0, 4);
  source.bos = 1;
  source.eos = 2;
  source.unk = 0;
  source.add_bos = true;
  return source;
}

}  // namespace hearth::llm
