#include "graph/text_reader.h"

#include <algorithm>
#include <charconv>

namespace hearth::graph {

namespace {

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

template <class T>
Result<T> parse_number(TextReader& reader, std::string_view text, const char* what) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return reader.invalid("number; got {}, need {}", quote_bytes(text), what);
  return value;
}

}  // namespace

void TextReader::skip_space() {
  while (at_ < text_.size()) {
    if (is_space(text_[at_]))
      ++at_;
    else if (text_[at_] == '#')
      at_ = std::min(text_.find('\n', at_), text_.size());
    else
      return;
  }
}

char TextReader::peek() {
  skip_space();
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool TextReader::at_end() {
  skip_space();
  return at_ == text_.size();
}

bool TextReader::accept(char c) {
  if (at_end() || text_[at_] != c) return false;
  ++at_;
  return true;
}

Result<> TextReader::expect(char c) {
  if (accept(c)) return {};
  return invalid("got {}, need '{}'", next_text(), c);
}

Result<> TextReader::expect_arrow() {
  skip_space();
  if (!text_.substr(at_).starts_with("=>")) return invalid("got {}, need '=>'", next_text());
  at_ += 2;
  return {};
}

std::string_view TextReader::peek_identifier() {
  skip_space();
  size_t end = at_;
  while (end < text_.size() && (is_letter(text_[end]) || text_[end] == '_' || (end > at_ && is_digit(text_[end]))))
    ++end;
  return text_.substr(at_, end - at_);
}

Result<std::string> TextReader::identifier() {
  const std::string_view word = peek_identifier();
  if (word.empty()) return invalid("got {}, need an identifier", next_text());
  at_ += word.size();
  return std::string(word);
}

Result<std::string> TextReader::name() {
  if (peek() == '"') return quoted();
  return identifier();
}

Result<std::string> TextReader::quoted() {
  if (peek() != '"') return invalid("got {}, need a string in double quotes", next_text());
  std::string value;
  for (size_t i = at_ + 1; i < text_.size(); ++i) {
    if (text_[i] == '"') {
      at_ = i + 1;
      return value;
    }
    if (text_[i] == '\\' && ++i == text_.size()) break;
    value += text_[i];
  }
  return invalid("string without an end");
}

bool TextReader::next_is_float_word() {
  const std::string_view word = peek_identifier();
  std::string lower(word.substr(0, 9));
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower == "inf" || lower == "infinity" || lower == "nan";
}

Result<TextReader::Literal> TextReader::literal() {
  if (peek() == '"') {
    ASSIGN_OR_RETURN(std::string value, quoted());
    return Literal{Literal::Kind::String, std::move(value)};
  }
  const size_t before = at_;
  std::string text;
  if (accept('-')) text = "-";
  skip_space();
  if (next_is_float_word()) {
    const std::string_view word = peek_identifier();
    text += word;
    at_ += word.size();
    return Literal{Literal::Kind::Float, std::move(text)};
  }
  const auto digits = [&] {
    const size_t begin = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    text += text_.substr(begin, at_ - begin);
    return at_ > begin;
  };
  if (!digits()) {
    at_ = before;
    return invalid("got {}, need a number or a string", next_text());
  }
  auto kind = Literal::Kind::Int;
  if (at_ < text_.size() && text_[at_] == '.') {
    kind = Literal::Kind::Float;
    text += text_[at_++];
    digits();
  }
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    kind = Literal::Kind::Float;
    text += text_[at_++];
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) text += text_[at_++];
    if (!digits()) return invalid("number without an exponent after 'e'");
  }
  return Literal{kind, std::move(text)};
}

Result<int64_t> TextReader::integer() {
  ASSIGN_OR_RETURN(const Literal number, literal());
  if (number.kind != Literal::Kind::Int) return invalid("got {}, need an integer", quote_bytes(number.text, 24));
  return parse_int64(*this, number.text);
}

std::string TextReader::next_text() {
  if (at_end()) return "the end";
  const std::string_view word = peek_identifier();
  return quote_bytes(word.empty() ? text_.substr(at_, 1) : word, 24);
}

std::unexpected<Error> TextReader::failed(ErrorKind kind, const std::string& text) {
  skip_space();
  const std::string_view before = text_.substr(0, at_);
  const auto line = std::ranges::count(before, '\n') + 1;
  const size_t line_begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return std::unexpected(Error{kind, fmt::format("[text {}:{}] {}", line, at_ - line_begin + 1, text)});
}

Result<int64_t> parse_int64(TextReader& reader, std::string_view digits) {
  return parse_number<int64_t>(reader, digits, "a 64-bit integer");
}
Result<uint64_t> parse_uint64(TextReader& reader, std::string_view digits) {
  return parse_number<uint64_t>(reader, digits, "an unsigned 64-bit integer");
}
Result<float> parse_float(TextReader& reader, std::string_view number) {
  return parse_number<float>(reader, number, "a float");
}
Result<double> parse_double(TextReader& reader, std::string_view number) {
  return parse_number<double>(reader, number, "a double");
}

}  // namespace hearth::graph
