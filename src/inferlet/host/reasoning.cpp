// pie:instruct/reasoning: <think>…</think>, the form that the models in use share. One event per feed: `complete`
// before `start` before `delta`; text that an event passed over comes with the next delta.
#include "inferlet/host/guest.h"
#include "inferlet/host/reply.h"

namespace hearth::inferlet {
namespace {

using ReasoningEvent = Variant<Case<"start">, Case<"delta", std::string>, Case<"complete", std::string>>;

struct ReasoningDecoder : Resource {
  static constexpr ResourceType kType = ResourceType::ReasoningDecoder;
  static constexpr const char* kName = "decoder";
  explicit ReasoningDecoder(std::shared_ptr<const llm::Tokenizer> t) : tokenizer(std::move(t)) {}
  std::shared_ptr<const llm::Tokenizer> tokenizer;  // the engine's
  llm::Utf8Stream stream;
  MarkedText text{"<think>", "</think>"};
  std::string unsaid;
};

Result<ReasoningEvent> feed(Guest&, ReasoningDecoder& self, std::vector<uint32_t> tokens) {
  ASSIGN_OR_RETURN(std::string text, reply_text(*self.tokenizer, tokens, self.stream));
  if (self.text.size() + text.size() > kMaxReplyBytes) {
    return fail(ErrorKind::Limit, "[decoder] reply; got more than {} bytes", kMaxReplyBytes);
  }
  bool started = false;
  std::optional<std::string> complete;
  for (MarkedText::Piece& piece : self.text.push(text)) {
    switch (piece.kind) {
      case MarkedText::Piece::Opened:
        started = true;
        break;
      case MarkedText::Piece::Text:
        self.unsaid += piece.text;
        break;
      case MarkedText::Piece::Closed:
        self.unsaid.clear();
        complete = std::move(piece.text);
        break;
    }
  }
  if (complete) return ReasoningEvent::make<2>(*std::move(complete));
  if (started) return ReasoningEvent::make<0>();
  return ReasoningEvent::make<1>(std::exchange(self.unsaid, {}));
}

}  // namespace

void bind_reasoning(Binder& binder) {
  Interface<Guest> reasoning(binder, "pie:instruct/reasoning");
  reasoning.resource<ReasoningDecoder>();
  reasoning.function(
      "create-decoder", +[](Guest& guest, Model& model) {
        return guest.give(std::make_unique<ReasoningDecoder>(guest.services.engine->tokenizer(model.id)));
      });
  reasoning.method("feed", +feed);
  reasoning.method(
      "reset", +[](Guest&, ReasoningDecoder& self) {
        self.stream = {};
        self.text.reset();
        self.unsaid.clear();
      });
}

}  // namespace hearth::inferlet
