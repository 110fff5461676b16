// pie:instruct/chat: conversations in the model's own form.
//
// What a template puts before a first user turn (begin-of-text, its default system text) belongs to the first piece of
// a conversation. The contract's functions know no conversation, so the host takes as first the first piece that a
// guest asks for after it created a context (or ever).
#include <algorithm>

#include "inferlet/host/guest.h"
#include "inferlet/host/reply.h"

namespace hearth::inferlet {
namespace {

using Tokens = std::vector<uint32_t>;
using ChatEvent = Variant<Case<"delta", std::string>, Case<"interrupt", uint32_t>, Case<"done", std::string>>;

struct ChatDecoder : Resource {
  static constexpr ResourceType kType = ResourceType::ChatDecoder;
  static constexpr const char* kName = "decoder";
  explicit ChatDecoder(std::shared_ptr<const llm::Tokenizer> t) : tokenizer(std::move(t)) {}
  std::shared_ptr<const llm::Tokenizer> tokenizer;  // the engine's
  llm::Utf8Stream stream;
  std::string whole, unsaid;  // unsaid: certain, but an interrupt came first
};

Trapping<Tokens> piece(Guest& guest, Model& model, Result<std::string> text) {
  if (!text) return trap(std::move(text).error());
  guest.conversation_open = true;
  return encode_template(guest, model, *text);
}

Result<ChatEvent> feed(Guest&, ChatDecoder& self, Tokens tokens) {
  std::optional<uint32_t> interrupt;
  for (uint32_t token : tokens) {
    if (token >= self.tokenizer->vocab_size()) {
      return fail(ErrorKind::Invalid, "[decoder] token; got {}, need less than {}", token,
                  self.tokenizer->vocab_size());
    }
    std::span<const uint32_t> stops = self.tokenizer->stop_tokens();
    if (std::find(stops.begin(), stops.end(), token) != stops.end()) {
      self.whole += self.stream.flush();
      return ChatEvent::make<2>(self.whole);
    }
    if (self.tokenizer->is_special(token)) {
      if (!interrupt) interrupt = token;
      continue;
    }
    std::string text = self.stream.push(self.tokenizer->token_bytes(token));
    if (self.whole.size() + text.size() > kMaxReplyBytes) {
      return fail(ErrorKind::Limit, "[decoder] reply; got more than {} bytes", kMaxReplyBytes);
    }
    self.whole += text;
    self.unsaid += text;
  }
  if (interrupt) return ChatEvent::make<1>(*interrupt);
  return ChatEvent::make<0>(std::exchange(self.unsaid, {}));
}

}  // namespace

Result<const llm::ChatTemplate*> chat_template(const Guest& guest, const Model& model) {
  const auto& models = *guest.services.models;
  if (model.id >= models.size() || models[model.id].chat == nullptr) {
    return fail(ErrorKind::Unsupported, "[chat] template; got a model without one");
  }
  return models[model.id].chat.get();
}

Tokens encode_template(const Guest& guest, const Model& model, std::string_view text) {
  return guest.services.engine->tokenizer(model.id)->encode(text, true);
}

void bind_chat(Binder& binder) {
  Interface<Guest> interface(binder, "pie:instruct/chat");
  interface.resource<ChatDecoder>();
  interface.function(
      "system", +[](Guest& guest, Model& model, std::string_view message) -> Trapping<Tokens> {
        auto chat = chat_template(guest, model);
        if (!chat) return trap(std::move(chat).error());
        return piece(guest, model, (*chat)->system(message));
      });
  interface.function(
      "user", +[](Guest& guest, Model& model, std::string_view message) -> Trapping<Tokens> {
        auto chat = chat_template(guest, model);
        if (!chat) return trap(std::move(chat).error());
        return piece(guest, model, (*chat)->user(message, !guest.conversation_open));
      });
  interface.function(
      "assistant", +[](Guest& guest, Model& model, std::string_view message) -> Trapping<Tokens> {
        auto chat = chat_template(guest, model);
        if (!chat) return trap(std::move(chat).error());
        return piece(guest, model, (*chat)->assistant(message));
      });
  interface.function(
      "cue", +[](Guest& guest, Model& model) -> Trapping<Tokens> {
        auto chat = chat_template(guest, model);
        if (!chat) return trap(std::move(chat).error());
        return encode_template(guest, model, (*chat)->cue());
      });
  interface.function(
      "seal", +[](Guest& guest, Model& model) -> Trapping<Tokens> {
        auto chat = chat_template(guest, model);
        if (!chat) return trap(std::move(chat).error());
        return encode_template(guest, model, (*chat)->seal());
      });
  interface.function(
      "stop-tokens", +[](Guest& guest, Model& model) {
        std::span<const uint32_t> stops = guest.services.engine->tokenizer(model.id)->stop_tokens();
        return Tokens(stops.begin(), stops.end());
      });
  interface.function(
      "create-decoder", +[](Guest& guest, Model& model) {
        return guest.give(std::make_unique<ChatDecoder>(guest.services.engine->tokenizer(model.id)));
      });
  interface.method("feed", +feed);
  interface.method(
      "reset", +[](Guest&, ChatDecoder& self) {
        self.stream = {};
        self.whole.clear();
        self.unsaid.clear();
      });
}

}  // namespace hearth::inferlet
