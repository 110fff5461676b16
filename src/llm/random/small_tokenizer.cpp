#include "llm/random/small_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

namespace hearth::llm {
namespace {

constexpr size_t kMerges = 240;
constexpr std::string_view kSpace = "\u2581";  // how SentencePiece writes a space

constexpr std::string_view kText =
    "The hearth is the place where a house keeps its fire. People sit around it and tell what happened during the day: "
    "who came, who went, and what the weather did to the fields. In the evening the light of the fire is enough to "
    "read "
    "by, and when the reading is done there is still warmth for a while. A good fire needs little: dry wood, some air, "
    "and somebody who looks after it now and then. The same is true of a program that serves models. It needs memory "
    "for "
    "the keys and the values, a scheduler that is fair, and tests that would fail for the reason that they name. "
    "What is the capital of France? The capital of France is Paris. What is the largest of the seas? Write a short "
    "story "
    "about a child who found a river. Once upon a time there was a child who lived at the end of the world, and every "
    "morning the child went to the river to look for stones. One two three four five six seven eight nine ten. "
    "The answer to the question is that there are three of them: the first, the second and the third one.";

constexpr std::string_view kTemplate =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

std::string utf8(uint32_t point) {
  if (point < 0x80) return std::string(1, static_cast<char>(point));
  return {static_cast<char>(0xC0 | (point >> 6)), static_cast<char>(0x80 | (point & 0x3F))};
}

// Byte-level BPE writes each byte as a printable character: itself where it is one, else from U+0100 on.
std::vector<std::string> byte_letters() {
  std::vector<std::string> letters(256);
  uint32_t next = 256;
  for (uint32_t b = 0; b < 256; ++b) {
    const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    letters[b] = utf8(printable ? b : next++);
  }
  return letters;
}

// The text as words, each with the space before it, each a row of symbols.
std::vector<std::vector<std::string>> words_of(std::string_view text, bool spm) {
  std::vector<std::vector<std::string>> words(1);
  const std::string space = spm ? std::string(kSpace) : byte_letters()[' '];
  if (spm) words.back().push_back(space);
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    // Punctuation stands alone, as the pre-tokenizers have it.
    if (c == ' ' || !letter) words.emplace_back();
    words.back().push_back(c == ' ' ? space : std::string(1, c));
  }
  return words;
}

using Pair = std::pair<std::string, std::string>;

std::vector<Pair> train(std::vector<std::vector<std::string>> words, size_t count) {
  std::vector<Pair> merges;
  while (merges.size() < count) {
    std::map<Pair, size_t> seen;
    for (const auto& word : words)
      for (size_t i = 0; i + 1 < word.size(); ++i) ++seen[{word[i], word[i + 1]}];
    const auto best =
        std::max_element(seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    if (best == seen.end()) break;
    const Pair pair = best->first;
    merges.push_back(pair);
    for (auto& word : words)
      for (size_t i = 0; i + 1 < word.size(); ++i)
        if (word[i] == pair.first && word[i + 1] == pair.second) {
          word[i] += word[i + 1];
          word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
  }
  return merges;
}

}  // namespace

SmallTokenizer make_small_tokenizer(bool spm) {
  SmallTokenizer t;
  t.spm = spm;
  t.pre = "gpt-2";
  t.chat_template = kTemplate;
  const auto add = [&](std::string text, int32_t type, float score = 0) {
    t.tokens.push_back(std::move(text));
    t.types.push_back(type);
    t.scores.push_back(score);
    return static_cast<uint32_t>(t.tokens.size() - 1);
  };
  t.merges = train(words_of(kText, spm), kMerges);
  std::set<std::string> merged;  // two merges may make the same token
  if (spm) {
    t.unk = add("<unk>", 2);
    t.bos = add("<s>", 3);
    add("</s>", 3);
    for (int b = 0; b < 256; ++b) add(fmt::format("<0x{:02X}>", b), 6);
    float score = 0;
    for (const auto& [left, right] : t.merges)
      if (merged.insert(left + right).second) add(left + right, 1, -score++);
    add(std::string(kSpace), 1, -score++);
    for (char c = '!'; c <= '~'; ++c) add(std::string(1, c), 1, -score++);
  } else {
    t.bos = t.unk = add("<|endoftext|>", 3);
    for (const std::string& letter : byte_letters()) add(letter, 1);
    for (const auto& [left, right] : t.merges)
      if (merged.insert(left + right).second) add(left + right, 1);
  }
  add("<|im_start|>", 3);
  t.eos = add("<|im_end|>", 3);
  return t;
}

std::string SmallTokenizer::tokenizer_json() const {
  using nlohmann::json;
  json vocab = json::object(), added = json::array(), merge_list = json::array();
  for (size_t i = 0; i < tokens.size(); ++i) {
    vocab[tokens[i]] = i;
    if (types[i] == 3 || types[i] == 2)
      added.push_back({{"id", i},
                       {"content", tokens[i]},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", true}});
  }
  for (const auto& [left, right] : merges) merge_list.push_back(left + " " + right);
  json root = {{"version", "1.0"},
               {"truncation", nullptr},
               {"padding", nullptr},
               {"added_tokens", added},
               {"post_processor", nullptr}};
  json model = {
      {"type", "BPE"},  {"dropout", nullptr},  {"continuing_subword_prefix", nullptr}, {"end_of_word_suffix", nullptr},
      {"vocab", vocab}, {"merges", merge_list}};
  if (spm) {
    root["normalizer"] = {{"type", "Sequence"},
                          {"normalizers",
                           {{{"type", "Prepend"}, {"prepend", kSpace}},
                            {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpace}}}}};
    root["pre_tokenizer"] = nullptr;
    root["decoder"] = {{"type", "Sequence"},
                       {"decoders",
                        {{{"type", "Replace"}, {"pattern", {{"String", kSpace}}}, {"content", " "}},
                         {{"type", "ByteFallback"}},
                         {{"type", "Fuse"}},
                         {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
    model["unk_token"] = "<unk>";
    model["fuse_unk"] = true;
    model["byte_fallback"] = true;
  } else {
    root["normalizer"] = nullptr;
    root["pre_tokenizer"] = {
        {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
    root["decoder"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
    model["unk_token"] = nullptr;
    model["fuse_unk"] = false;
    model["byte_fallback"] = false;
  }
  root["model"] = model;
  return root.dump();
}

}  // namespace hearth::llm
