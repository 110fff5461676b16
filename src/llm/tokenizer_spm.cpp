// SentencePiece-style BPE from the lists of a GGUF file: of all neighbours that make a token together, the pair with
// the best score merges first, the leftmost of equals; what is no token at the end is written in bytes.
#include <algorithm>
#include <cmath>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "base/quote_bytes.h"
#include "llm/tokenizer_encoder.h"
#include "llm/tokenizer_utf8.h"

namespace hearth::llm {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581 stands for a space

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at = 0;;) {
    const size_t found = text.find(from, at);
    out += text.substr(at, found - at);
    if (found == std::string_view::npos) return out;
    out += to;
    at = found + from.size();
  }
}

// The longest of a set of texts that begins at a place.
class Matcher {
 public:
  void add(std::string text, uint32_t id) {
    auto& lengths = lengths_[uint8_t(text[0])];
    const auto place = std::ranges::lower_bound(lengths, text.size(), std::greater<>());
    if (place == lengths.end() || *place != text.size()) lengths.insert(place, text.size());
    ids_.try_emplace(std::move(text), id);
  }
  struct Match {
    size_t length = 0;
    uint32_t id = 0;
  };
  Match at(std::string_view rest) const {
    for (size_t length : lengths_[uint8_t(rest[0])]) {
      if (length > rest.size()) continue;
      if (auto found = ids_.find(rest.substr(0, length)); found != ids_.end()) return {length, found->second};
    }
    return {};
  }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::array<std::vector<size_t>, 256> lengths_;  // by first byte, longest first
  std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>> ids_;
};

struct Symbol {
  std::string_view text;
  int32_t previous, next;
};

struct Pair {
  float score;
  int32_t left, right;
  size_t size;  // of both when the pair was found: tells a pair that something else has merged since
  bool operator<(const Pair& other) const { return score != other.score ? score < other.score : left > other.left; }
};

class SpmEncoder final : public Encoder {
 public:
  SpmEncoder(const TokenizerSource& source, const Vocabulary& vocabulary) : add_space_prefix_(source.add_space_prefix) {
    byte_ids_.fill(kNoToken);
    tokens_ = source.tokens;
    scores_ = source.scores;
    // A score that is no number would leave no order among the pairs.
    for (float& score : scores_) score = std::isnan(score) ? -INFINITY : score;
    ids_.reserve(tokens_.size());
    for (uint32_t id = 0; id < tokens_.size(); ++id) {
      switch (vocabulary.kind[id]) {
        case TokenKind::Plain:
          ids_.try_emplace(tokens_[id], id);
          break;
        case TokenKind::Byte:
          byte_ids_[size_t(byte_token_value(tokens_[id]))] = id;
          break;
        case TokenKind::Added:
          ids_.try_emplace(tokens_[id], id);
          added_.add(vocabulary.bytes[id], id);
          special_.add(vocabulary.bytes[id], id);
          break;
        case TokenKind::Special:
          special_.add(tokens_[id], id);
          is_control_.insert(id);
          break;
        case TokenKind::Unknown:
          unknown_ = id;
          break;
        default:
          break;
      }
    }
    // Phi-3 was trained with the blanks after its control tokens cut off; its GGUF files do not say so.
    const auto has = [&](std::string_view text) { return std::ranges::find(tokens_, text) != tokens_.end(); };
    strips_after_control_ = has("<|placeholder1|>") && has("<|assistant|>") && has("<|end|>");
    for (std::string_view keeps : {"<unk>", "<s>", "<|endoftext|>"}) {
      const auto found = std::ranges::find(tokens_, keeps);
      if (found != tokens_.end()) keeps_blanks_.insert(uint32_t(found - tokens_.begin()));
    }
  }

  void encode(std::string_view text, bool parse_special, std::vector<uint32_t>& out) const override {
    const Matcher& fixed = parse_special ? special_ : added_;
    bool prefix = add_space_prefix_;  // at the start of the text and after a control token
    size_t begin = 0;
    for (size_t at = 0; at < text.size();) {
      const Matcher::Match match = fixed.at(text.substr(at));
      if (match.length == 0) {
        at += 1;
        continue;
      }
      encode_plain(text.substr(begin, at - begin), prefix, out);
      out.push_back(match.id);
      at += match.length;
      prefix = add_space_prefix_ && is_control_.contains(match.id);
      if (strips_after_control_ && is_control_.contains(match.id) && !keeps_blanks_.contains(match.id)) {
        while (at < text.size() && std::string_view(" \t\n\v\f\r").contains(text[at])) ++at;
      }
      begin = at;
    }
    encode_plain(text.substr(begin), prefix, out);
  }

 private:
  void encode_plain(std::string_view text, bool prefix, std::vector<uint32_t>& out) const {
    if (text.empty()) return;
    const std::string escaped = (prefix ? std::string(kSpace) : "") + replace_all(text, " ", kSpace);
    // Longer texts go in parts: merging takes some 60 bytes of memory for each byte.
    constexpr size_t kMaxPart = size_t{1} << 24;
    for (size_t begin = 0; begin < escaped.size();) {
      size_t end = std::min(escaped.size(), begin + kMaxPart);
      while (end < escaped.size() && (uint8_t(escaped[end]) & 0xC0) == 0x80 && end > begin + 1) --end;
      merge(std::string_view(escaped).substr(begin, end - begin), out);
      begin = end;
    }
  }

  void merge(std::string_view text, std::vector<uint32_t>& out) const {
    std::vector<Symbol> symbols;
    for (size_t at = 0; at < text.size();) {
      const size_t length = std::max<size_t>(utf8_character(text, at), 1);
      const int32_t index = int32_t(symbols.size());
      symbols.push_back({text.substr(at, length), index - 1, index + 1});
      at += length;
    }
    symbols.back().next = -1;

    std::priority_queue<Pair> pairs;
    const auto consider = [&](int32_t left, int32_t right) {
      if (left < 0 || right < 0) return;
      const size_t size = symbols[size_t(left)].text.size() + symbols[size_t(right)].text.size();
      const auto found = ids_.find(std::string_view(symbols[size_t(left)].text.data(), size));
      if (found != ids_.end()) pairs.push({scores_[found->second], left, right, size});
    };
    for (int32_t i = 1; i < int32_t(symbols.size()); ++i) consider(i - 1, i);
    while (!pairs.empty()) {
      const Pair best = pairs.top();
      pairs.pop();
      Symbol& left = symbols[size_t(best.left)];
      Symbol& right = symbols[size_t(best.right)];
      if (left.text.empty() || right.text.empty() || left.text.size() + right.text.size() != best.size) continue;
      left.text = {left.text.data(), best.size};
      right.text = {};
      left.next = right.next;
      if (right.next >= 0) symbols[size_t(right.next)].previous = best.left;
      consider(left.previous, best.left);
      consider(best.left, left.next);
    }
    for (int32_t i = 0; i >= 0; i = symbols[size_t(i)].next) write(symbols[size_t(i)].text, out);
  }

  void write(std::string_view symbol, std::vector<uint32_t>& out) const {
    if (const auto found = ids_.find(symbol); found != ids_.end()) {
      out.push_back(found->second);
      return;
    }
    const auto has_byte = [&](char byte) { return byte_ids_[uint8_t(byte)] != kNoToken; };
    if (std::ranges::all_of(symbol, has_byte)) {
      for (char byte : symbol) out.push_back(byte_ids_[uint8_t(byte)]);
    } else if (const auto replacement = ids_.find(kReplacementCharacter); replacement != ids_.end()) {
      out.push_back(replacement->second);
    } else if (unknown_ != kNoToken) {
      out.push_back(unknown_);
    }
  }

  std::vector<std::string> tokens_;
  std::vector<float> scores_;
  std::unordered_map<std::string_view, uint32_t> ids_;  // keys point into tokens_
  std::array<uint32_t, 256> byte_ids_;
  uint32_t unknown_ = kNoToken;
  Matcher added_, special_;
  std::unordered_set<uint32_t> is_control_, keeps_blanks_;
  bool add_space_prefix_, strips_after_control_ = false;
};

}  // namespace

int byte_token_value(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  int value = 0;
  for (char c : text.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

Result<TokenizerParts> tokenizer_parts_from_spm(const TokenizerSource& source) {
  TokenizerParts parts;
  Vocabulary& vocabulary = parts.vocabulary;
  ASSIGN_OR_RETURN(vocabulary.kind, gguf_token_kinds(source));
  if (source.scores.size() != source.tokens.size()) {
    return fail(ErrorKind::Invalid, "[tokenizer] token scores; got {}, need one for each of {} tokens",
                source.scores.size(), source.tokens.size());
  }
  vocabulary.text = source.tokens;
  for (uint32_t id = 0; id < vocabulary.size(); ++id) {
    const std::string& text = vocabulary.text[id];
    const TokenKind kind = vocabulary.kind[id];
    if (kind == TokenKind::Byte) {
      const int value = byte_token_value(text);
      if (value < 0)
        return fail(ErrorKind::Invalid, "[tokenizer] byte token {}; got {}, need <0xHH>", id, quote_bytes(text));
      vocabulary.bytes.emplace_back(1, char(value));
    } else {
      const bool plain = kind == TokenKind::Plain || kind == TokenKind::Added;
      vocabulary.bytes.push_back(plain ? replace_all(text, kSpace, " ") : text);
    }
  }
  parts.encoder = std::make_unique<SpmEncoder>(source, vocabulary);
  return parts;
}

}  // namespace hearth::llm
