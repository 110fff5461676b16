// Reading a reply as it comes: marked parts (<think>…</think>, <tool_call>…</tool_call>) in a stream of tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "llm/tokenizer.h"

namespace hearth::inferlet {

inline constexpr size_t kMaxReplyBytes = size_t{64} << 20;  // that a decoder keeps

// Text between an opening and a closing mark, found as the text streams in.
class MarkedText {
 public:
  MarkedText(std::string open, std::string close) : open_(std::move(open)), close_(std::move(close)) {}

  struct Piece {
    enum Kind { Opened, Text, Closed } kind;
    std::string text;  // Text: a part of the inside; Closed: the whole inside
  };
  // A closing mark without an opening one closes what came before it: some templates open the part themselves.
  std::vector<Piece> push(std::string_view text);
  bool inside() const { return inside_; }
  size_t size() const { return whole_.size() + held_.size(); }
  void reset();

 private:
  std::string open_, close_;
  std::string held_;   // the end of the text that may be the beginning of a mark
  std::string whole_;  // inside: all of it so far; outside: all since the last part
  bool inside_ = false;
};

// Tokens to text for a MarkedText: marks may be special tokens, whose text counts.
Result<std::string> reply_text(const llm::Tokenizer& tokenizer, std::span<const uint32_t> tokens,
                               llm::Utf8Stream& stream);

}  // namespace hearth::inferlet
