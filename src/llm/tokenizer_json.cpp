// Tokenizers from the text of a tokenizer.json.
#include <nlohmann/json.hpp>

#include "base/quote_bytes.h"
#include "llm/tokenizer_byte_level.h"
#include "llm/tokenizer_rust.h"

namespace hearth::llm {
namespace {

using Json = nlohmann::json;

// What reading a tokenizer.json may take beside its size, and for each byte of it.
constexpr hearth_budget kBudget{size_t{128} << 20, 5'000};
constexpr size_t kHeapPerByte = 64;
constexpr size_t kBytesPerMs = 1'000;

// Calls `visit` for a component and, where it is a sequence, for all its parts. Depth is bounded by the parser that
// made the description.
template <class Visit>
void each_component(const Json& component, const Visit& visit) {
  if (!component.is_object()) return;
  for (const char* list : {"normalizers", "pretokenizers", "decoders"}) {
    if (const auto parts = component.find(list); parts != component.end() && parts->is_array()) {
      for (const Json& part : *parts) each_component(part, visit);
      return;
    }
  }
  visit(component, component.value("type", std::string()));
}

// How the decoder turns the text of tokens into bytes.
struct DecoderForm {
  bool byte_level = false, byte_fallback = false;
  std::string space;  // the text that stands for a space; empty: none
};

Result<DecoderForm> read_decoder(const Json& decoder) {
  DecoderForm form;
  std::string unknown;
  each_component(decoder, [&](const Json& part, const std::string& type) {
    if (type == "ByteLevel") {
      form.byte_level = true;
    } else if (type == "ByteFallback") {
      form.byte_fallback = true;
    } else if (type == "Metaspace") {
      form.space = part.value("replacement", std::string());
    } else if (type == "Replace" && part.value("content", std::string()) == " ") {
      const Json pattern = part.value("pattern", Json::object());
      if (pattern.is_object()) form.space = pattern.value("String", std::string());
    } else if (type != "Fuse" && type != "Strip") {
      unknown = type;
    }
  });
  if (!unknown.empty()) {
    return fail(ErrorKind::Unsupported,
                "[tokenizer.json] decoder; got {}, need ByteLevel, ByteFallback, Metaspace, Replace, Strip or Fuse",
                quote_bytes(unknown));
  }
  return form;
}

std::string read_split_regex(const Json& pre_tokenizer) {
  std::string regex;
  const auto add = [&](const std::string& part) {
    if (!regex.empty()) regex += '|';
    regex += part;
  };
  each_component(pre_tokenizer, [&](const Json& part, const std::string& type) {
    if (type == "Split") {
      const Json pattern = part.value("pattern", Json::object());
      if (pattern.is_object() && pattern.contains("Regex")) add(pattern.value("Regex", std::string()));
    } else if (type == "Digits") {
      add(part.value("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)");
    } else if (type == "ByteLevel" && part.value("use_regex", true)) {
      add(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)");
    }
  });
  return regex;
}

struct Listing {
  Vocabulary vocabulary;
  uint32_t too_large = kNoToken;
};

void add_token(void* context, uint32_t id, const char* text, size_t size, uint8_t kind) {
  auto& [vocabulary, too_large] = *static_cast<Listing*>(context);
  if (id >= kMaxVocabulary) {
    too_large = id;
    return;
  }
  if (id >= vocabulary.size()) {
    vocabulary.text.resize(id + 1);
    vocabulary.kind.resize(id + 1, TokenKind::Absent);
  }
  vocabulary.text[id].assign(text, size);
  vocabulary.kind[id] = kind == HEARTH_TOKEN_SPECIAL ? TokenKind::Special
                        : kind == HEARTH_TOKEN_ADDED ? TokenKind::Added
                                                     : TokenKind::Plain;
}

std::string plain_bytes(const std::string& text, const DecoderForm& form) {
  if (form.byte_level) return byte_level_bytes(text);
  if (form.space.empty()) return text;
  std::string out;
  for (size_t at = 0;;) {
    const size_t found = text.find(form.space, at);
    out += text.substr(at, found - at);
    if (found == std::string::npos) return out;
    out += ' ';
    at = found + form.space.size();
  }
}

void fill_bytes(Vocabulary& vocabulary, const DecoderForm& form) {
  vocabulary.bytes.reserve(vocabulary.size());
  for (uint32_t id = 0; id < vocabulary.size(); ++id) {
    const std::string& text = vocabulary.text[id];
    const int byte = form.byte_fallback && vocabulary.kind[id] == TokenKind::Plain ? byte_token_value(text) : -1;
    if (byte >= 0) {
      vocabulary.kind[id] = TokenKind::Byte;
      vocabulary.bytes.emplace_back(1, char(byte));
    } else {
      vocabulary.bytes.push_back(vocabulary.kind[id] == TokenKind::Plain ? plain_bytes(text, form) : text);
    }
  }
}

}  // namespace

Result<TokenizerParts> tokenizer_parts_from_json(const TokenizerSource& source) {
  const std::string& json = source.tokenizer_json;
  if (json.size() > kMaxTokenizerJson) {
    return fail(ErrorKind::Limit, "[tokenizer.json] size; got {} bytes, need at most {}", json.size(),
                kMaxTokenizerJson);
  }
  hearth_tokenizer* made = nullptr;
  const hearth_budget budget{kBudget.heap_bytes + json.size() * kHeapPerByte,
                             kBudget.cpu_ms + json.size() / kBytesPerMs};
  TRY(rust_result(hearth_tokenizer_from_json(json.data(), json.size(), budget, &made), ErrorKind::Invalid,
                  "tokenizer.json"));
  RustTokenizer tokenizer(made);

  std::string description;
  const auto append = [](void* context, const void* bytes, size_t size) {
    static_cast<std::string*>(context)->append(static_cast<const char*>(bytes), size);
  };
  TRY(rust_result(hearth_tokenizer_describe(made, {&description, append}), ErrorKind::Invalid, "tokenizer.json"));
  const Json described = Json::parse(description, nullptr, false);
  if (!described.is_object()) return fail(ErrorKind::Internal, "[tokenizer.json] description is no JSON object");
  ASSIGN_OR_RETURN(const DecoderForm form, read_decoder(described["decoder"]));

  Listing listing;
  TRY(rust_result(hearth_tokenizer_vocabulary(made, &listing, add_token), ErrorKind::Invalid, "tokenizer.json"));
  if (listing.too_large != kNoToken) {
    return fail(ErrorKind::Limit, "[tokenizer.json] token id; got {}, need less than {}", listing.too_large,
                kMaxVocabulary);
  }
  if (listing.vocabulary.size() == 0) return fail(ErrorKind::Invalid, "[tokenizer.json] no tokens");
  fill_bytes(listing.vocabulary, form);

  TokenizerParts parts;
  parts.vocabulary = std::move(listing.vocabulary);
  parts.split_regex = read_split_regex(described["pre_tokenizer"]);
  const ByteStyle style = form.byte_level      ? ByteStyle::ByteLevel
                          : form.byte_fallback ? ByteStyle::Fallback
                                               : ByteStyle::None;
  std::array<uint32_t, 256> byte_ids;
  byte_ids.fill(kNoToken);
  if (form.byte_level) {
    byte_ids = byte_level_ids(parts.vocabulary);
  } else {
    for (uint32_t id = 0; id < parts.vocabulary.size(); ++id) {
      if (parts.vocabulary.kind[id] == TokenKind::Byte) byte_ids[uint8_t(parts.vocabulary.bytes[id][0])] = id;
    }
  }
  auto encoder = std::make_unique<RustEncoder>(std::move(tokenizer), style, byte_ids);
  ASSIGN_OR_RETURN(parts.template_tokens, encoder->template_tokens());
  parts.encoder = std::move(encoder);
  return parts;
}

}  // namespace hearth::llm
