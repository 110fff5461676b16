#include "hearth/model.hpp"

namespace hearth {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr size_t kLongestCharacter = 4;                    // bytes of UTF-8, so tokens that may wait for each other

Tokenizer::Vocabulary take_vocabulary(hearth_guest_tuple2_list_u32_list_list_u8_t& raw) {
  Tokenizer::Vocabulary out;
  out.tokens.assign(raw.f0.ptr, raw.f0.ptr + raw.f0.len);
  out.bytes.reserve(raw.f1.len);
  for (size_t i = 0; i < raw.f1.len; ++i)
    out.bytes.emplace_back(reinterpret_cast<const char*>(raw.f1.ptr[i].ptr), raw.f1.ptr[i].len);
  hearth_guest_tuple2_list_u32_list_list_u8_free(&raw);
  return out;
}

}  // namespace

std::vector<std::string> models() {
  hearth_guest_list_string_t raw;
  pie_core_runtime_models(&raw);
  std::vector<std::string> names;
  for (size_t i = 0; i < raw.len; ++i)
    names.emplace_back(reinterpret_cast<const char*>(raw.ptr[i].ptr), raw.ptr[i].len);
  hearth_guest_list_string_free(&raw);
  return names;
}

std::vector<uint32_t> Tokenizer::encode(std::string_view text) const {
  auto raw_text = binding::text(text);
  hearth_guest_list_u32_t tokens;
  pie_core_model_method_tokenizer_encode(borrow(), &raw_text, &tokens);
  return binding::take(tokens);
}

Result<std::string> Tokenizer::decode(std::span<const uint32_t> tokens) const {
  auto raw_tokens = binding::list(tokens);
  hearth_guest_string_t text, error;
  if (!pie_core_model_method_tokenizer_decode(borrow(), &raw_tokens, &text, &error)) return fail(binding::take(error));
  return binding::take(text);
}

Tokenizer::Vocabulary Tokenizer::vocabulary() const {
  hearth_guest_tuple2_list_u32_list_list_u8_t raw;
  pie_core_model_method_tokenizer_vocabs(borrow(), &raw);
  return take_vocabulary(raw);
}

Tokenizer::Vocabulary Tokenizer::special_tokens() const {
  hearth_guest_tuple2_list_u32_list_list_u8_t raw;
  pie_core_model_method_tokenizer_special_tokens(borrow(), &raw);
  return take_vocabulary(raw);
}

std::string Tokenizer::split_regex() const {
  hearth_guest_string_t text;
  pie_core_model_method_tokenizer_split_regex(borrow(), &text);
  return binding::take(text);
}

Model::Model(pie_core_model_own_model_t raw)
    : Handle(raw), tokenizer_(pie_core_model_method_model_tokenizer(borrow())) {}

Result<Model> Model::load(std::string_view name) {
  std::string first;
  if (name.empty()) {
    const auto names = models();
    if (names.empty()) return fail("[model] load; the engine serves no model");
    name = first = names.front();
  }
  auto raw_name = binding::text(name);
  pie_core_model_own_model_t model;
  hearth_guest_string_t error;
  if (!pie_core_model_static_model_load(&raw_name, &model, &error)) return fail(binding::take(error));
  return Model(model);
}

Result<std::string> TextStream::feed(uint32_t token) {
  tokens_.push_back(token);
  HEARTH_LET(std::string all, tokenizer_->decode(tokens_));
  // Decoding behind another piece can differ from decoding alone only at its beginning; should the text before change
  // all the same, the whole is the only right answer.
  const bool extends = all.starts_with(before_);
  std::string text = extends ? all.substr(before_.size()) : all;
  const bool waits = text.ends_with(kReplacement) && tokens_.size() - certain_ < kLongestCharacter;
  if (waits) {
    tail_ = std::move(text);
    return std::string();
  }
  if (text.empty()) {  // a special token, say: nothing to decode the next behind
    tokens_.pop_back();
    return std::string();
  }
  tail_.clear();
  tokens_.erase(tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(certain_));
  certain_ = tokens_.size();
  HEARTH_LET(before_, tokenizer_->decode(tokens_));
  return text;
}

std::string TextStream::finish() {
  std::string left = std::move(tail_);
  tokens_.clear();
  before_.clear();
  tail_.clear();
  certain_ = 0;
  return left;
}

}  // namespace hearth
