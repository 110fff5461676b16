#include "llm/tokenizer_pre.h"

#include <algorithm>
#include <array>

#include "base/quote_bytes.h"

namespace hearth::llm {
namespace {

using std::string_view;
using Splits = std::span<const string_view>;

// What several families share. Blanks before a word belong to the blanks, save the last one.
#define CONTRACTIONS R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
#define PUNCTUATION R"( ?[^\s\p{L}\p{N}]+[\r\n]*)"
#define PUNCTUATION_PATHS R"( ?[^\s\p{L}\p{N}]+[\r\n/]*)"
#define BLANKS R"(\s*[\r\n]+|\s+(?!\S)|\s+)"
#define WORD R"([^\r\n\p{L}\p{N}]?\p{L}+)"
#define CASED_1 R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
#define CASED_2 R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"

constexpr string_view kGpt2Words = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr string_view kDigit = R"(\p{N})";

constexpr std::array kGpt2{kGpt2Words};
constexpr std::array kDigits{kDigit, kGpt2Words};
constexpr std::array kFalcon{string_view(R"([\p{P}\$\+<=>\^~\|`]+)"), kGpt2Words, string_view("[0-9][0-9][0-9]")};
constexpr std::array kLlama3{string_view(CONTRACTIONS "|" WORD R"(|\p{N}{1,3}|)" PUNCTUATION "|" BLANKS)};
constexpr std::array kQwen2{string_view(CONTRACTIONS "|" WORD R"(|\p{N}|)" PUNCTUATION "|" BLANKS)};
constexpr std::array kTekken{string_view(CASED_1 "|" CASED_2 R"(|\p{N}|)" PUNCTUATION_PATHS "|" BLANKS)};
constexpr std::array kGpt4o{
    string_view(CASED_1 CONTRACTIONS "?|" CASED_2 CONTRACTIONS R"(?|\p{N}{1,3}|)" PUNCTUATION_PATHS "|" BLANKS)};
constexpr std::array kDeepseekCoder{string_view(R"([\r\n])"), string_view(R"(\s?\p{L}+)"), string_view(R"(\s?\p{P}+)"),
                                    string_view("[一-龥ࠀ-一가-퟿]+"), kDigit};
constexpr std::array kDeepseek3{
    string_view(R"(\p{N}{1,3})"), string_view("[一-龥぀-ゟ゠-ヿ]+"),
    string_view(R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|)"
                R"( ?[\p{P}\p{S}]+[\r\n]*|)" BLANKS)};

#undef CONTRACTIONS
#undef PUNCTUATION
#undef PUNCTUATION_PATHS
#undef BLANKS
#undef WORD
#undef CASED_1
#undef CASED_2

struct Named {
  string_view name;
  PreTokenizer pre;
};

constexpr PreTokenizer plain(Splits splits) {
  return {splits, false, false};
}
constexpr PreTokenizer whole(Splits splits) {
  return {splits, true, false};
}
constexpr PreTokenizer form_c(Splits splits) {
  return {splits, false, true};
}

// Sorted by name. An absent name (older files) is GPT-2's, which is what the tokenizer model "gpt2" means.
constexpr Named kNamed[] = {
    {"", plain(kGpt2)},
    {"chatglm-bpe", plain(kLlama3)},
    {"codeshell", plain(kDigits)},
    {"command-r", plain(kDigits)},
    {"dbrx", plain(kLlama3)},
    {"deepseek-coder", plain(kDeepseekCoder)},
    {"deepseek-r1-qwen", form_c(kQwen2)},
    {"deepseek-v3", plain(kDeepseek3)},
    {"default", plain(kGpt2)},
    {"exaone", plain(kDigits)},
    {"falcon", plain(kFalcon)},
    {"falcon3", whole(kLlama3)},
    {"glm4", plain(kLlama3)},
    {"gpt-2", plain(kGpt2)},
    {"gpt-4o", plain(kGpt4o)},
    {"jais", plain(kGpt2)},
    {"llama-bpe", whole(kLlama3)},
    {"llama-v3", whole(kLlama3)},
    {"llama3", whole(kLlama3)},
    {"llama4", plain(kGpt4o)},
    {"minerva-7b", plain(kDigits)},
    {"mpt", plain(kGpt2)},
    {"olmo", plain(kGpt2)},
    {"phi-2", plain(kGpt2)},
    {"pixtral", whole(kLlama3)},
    {"qwen2", form_c(kQwen2)},
    {"refact", plain(kDigits)},
    {"roberta-bpe", plain(kGpt2)},
    {"smaug-bpe", plain(kLlama3)},
    {"smollm", plain(kDigits)},
    {"stablelm2", plain(kQwen2)},
    {"starcoder", plain(kDigits)},
    {"tekken", whole(kTekken)},
};

}  // namespace

Result<PreTokenizer> find_pre_tokenizer(string_view name) {
  const auto* found = std::ranges::find(kNamed, name, &Named::name);
  if (found != std::end(kNamed)) return found->pre;
  std::string known;
  for (const Named& named : kNamed) {
    if (!known.empty()) known += ", ";
    known += named.name;
  }
  return fail(ErrorKind::Unsupported, "[tokenizer] pre-tokenizer; got {}, need one of {}", quote_bytes(name), known);
}

}  // namespace hearth::llm
