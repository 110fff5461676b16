// The letters of the text form: words, quoted strings, numbers, and errors that name line and column.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/quote_bytes.h"
#include "base/result.h"

namespace hearth::graph {

class TextReader {
 public:
  explicit TextReader(std::string_view text) : text_(text) {}

  struct Literal {
    enum class Kind { Int, Float, String };
    Kind kind;
    std::string text;  // of a string: what it stands for
  };

  // All of these skip white space and comments (# to the end of the line) first.
  char peek();          // '\0' at the end
  bool at_end();        // nothing but white space left
  bool accept(char c);  // consumes it when it is next
  Result<> expect(char c);
  Result<> expect_arrow();             // "=>"
  std::string_view peek_identifier();  // "" when the next thing is none
  Result<std::string> identifier();
  Result<std::string> name();  // an identifier or a quoted string
  Result<std::string> quoted();
  Result<Literal> literal();
  Result<int64_t> integer();
  bool next_is_float_word();  // inf, infinity, nan in any case

  size_t rest() const { return text_.size() - at_; }  // bytes left

  // `[text 3:14] what`, at the next token.
  template <class... Args>
  [[nodiscard]] std::unexpected<Error> invalid(fmt::format_string<Args...> text, Args&&... args) {
    return failed(ErrorKind::Invalid, fmt::format(text, std::forward<Args>(args)...));
  }
  template <class... Args>
  [[nodiscard]] std::unexpected<Error> limit(fmt::format_string<Args...> text, Args&&... args) {
    return failed(ErrorKind::Limit, fmt::format(text, std::forward<Args>(args)...));
  }
  // What the next token begins with, for "got …".
  std::string next_text();

 private:
  void skip_space();
  std::unexpected<Error> failed(ErrorKind kind, const std::string& text);

  std::string_view text_;
  size_t at_ = 0;
};

Result<int64_t> parse_int64(TextReader& reader, std::string_view digits);
Result<uint64_t> parse_uint64(TextReader& reader, std::string_view digits);
Result<float> parse_float(TextReader& reader, std::string_view number);
Result<double> parse_double(TextReader& reader, std::string_view number);

}  // namespace hearth::graph
