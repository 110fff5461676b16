#include "inferlet/host/reply.h"

#include <algorithm>

namespace hearth::inferlet {
namespace {

// Length of the longest end of `text` that begins `mark` without being all of it.
size_t partial_mark(std::string_view text, std::string_view mark) {
  for (size_t length = std::min(text.size(), mark.size() - 1); length > 0; --length) {
    if (text.ends_with(mark.substr(0, length))) return length;
  }
  return 0;
}

}  // namespace

std::vector<MarkedText::Piece> MarkedText::push(std::string_view text) {
  std::vector<Piece> pieces;
  held_ += text;
  for (;;) {
    size_t open = inside_ ? std::string::npos : held_.find(open_);
    size_t close = held_.find(close_);
    if (open == std::string::npos && close == std::string::npos) break;
    bool closes = close < open;
    size_t at = closes ? close : open;
    std::string before = held_.substr(0, at);
    held_.erase(0, at + (closes ? close_ : open_).size());
    whole_ += before;
    if (closes) {
      if (inside_ && !before.empty()) pieces.push_back({Piece::Text, std::move(before)});
      pieces.push_back({Piece::Closed, std::move(whole_)});
    } else {
      pieces.push_back({Piece::Opened, {}});
    }
    whole_.clear();
    inside_ = !closes;
  }
  size_t keep = std::max(partial_mark(held_, close_), inside_ ? 0 : partial_mark(held_, open_));
  std::string certain = held_.substr(0, held_.size() - keep);
  held_.erase(0, certain.size());
  whole_ += certain;
  if (inside_ && !certain.empty()) pieces.push_back({Piece::Text, std::move(certain)});
  return pieces;
}

void MarkedText::reset() {
  held_.clear();
  whole_.clear();
  inside_ = false;
}

Result<std::string> reply_text(const llm::Tokenizer& tokenizer, std::span<const uint32_t> tokens,
                               llm::Utf8Stream& stream) {
  std::string text;
  for (uint32_t token : tokens) {
    if (token >= tokenizer.vocab_size()) {
      return fail(ErrorKind::Invalid, "[decoder] token; got {}, need less than {}", token, tokenizer.vocab_size());
    }
    text += stream.push(tokenizer.token_bytes(token));
  }
  return text;
}

}  // namespace hearth::inferlet
