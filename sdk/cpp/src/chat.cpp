#include "hearth/chat.hpp"

namespace hearth {
namespace {

using Turn = void (*)(pie_instruct_chat_borrow_model_t, hearth_guest_string_t*, hearth_guest_list_u32_t*);
using Mark = void (*)(pie_instruct_chat_borrow_model_t, hearth_guest_list_u32_t*);

void append_turn(Context& context, Turn turn, std::string_view text) {
  auto raw_text = binding::text(text);
  hearth_guest_list_u32_t tokens;
  turn(context.model().borrow(), &raw_text, &tokens);
  context.append(binding::take(tokens));
}

std::vector<uint32_t> mark(const Model& model, Mark which) {
  hearth_guest_list_u32_t tokens;
  which(model.borrow(), &tokens);
  return binding::take(tokens);
}

}  // namespace

std::vector<uint32_t> stop_tokens(const Model& model) {
  return mark(model, pie_instruct_chat_stop_tokens);
}

Chat::Chat(Context& context)
    : context_(&context),
      stop_tokens_(hearth::stop_tokens(context.model())),
      decoder_(pie_instruct_chat_create_decoder(context.model().borrow())) {}

void Chat::system(std::string_view text) {
  append_turn(*context_, pie_instruct_chat_system, text);
}
void Chat::user(std::string_view text) {
  append_turn(*context_, pie_instruct_chat_user, text);
}
void Chat::assistant(std::string_view text) {
  append_turn(*context_, pie_instruct_chat_assistant, text);
}

void Chat::cue() {
  context_->append(mark(context_->model(), pie_instruct_chat_cue));
}
void Chat::seal() {
  context_->append(mark(context_->model(), pie_instruct_chat_seal));
}

Result<Generation> Chat::reply(const Sampling& sampling, const Limits& limits, TextSink sink, Matcher* matcher) {
  Limits all = limits;
  all.stop_tokens.insert(all.stop_tokens.end(), stop_tokens_.begin(), stop_tokens_.end());
  cue();
  pie_instruct_chat_method_decoder_reset(decoder_.borrow());
  std::string text;
  const auto feed = [&](uint32_t token) -> Result<bool> {
    auto raw_token = binding::list({&token, 1});
    pie_instruct_chat_event_t event;
    hearth_guest_string_t error;
    if (!pie_instruct_chat_method_decoder_feed(decoder_.borrow(), &raw_token, &event, &error))
      return fail(binding::take(error));
    if (event.tag == PIE_INSTRUCT_CHAT_EVENT_INTERRUPT) return true;
    const bool done = event.tag == PIE_INSTRUCT_CHAT_EVENT_DONE;
    std::string piece = binding::take(done ? event.val.done : event.val.delta);
    if (done)
      piece = piece.starts_with(text) ? piece.substr(text.size()) : std::string();  // `done` carries the whole text
    if (!piece.empty()) {
      text += piece;
      sink(piece);
    }
    return !done;
  };
  HEARTH_LET(Generation out, context_->generate_tokens(sampling, all, feed, matcher));
  out.text = std::move(text);
  seal();
  return out;
}

}  // namespace hearth
