#include "fake_host.h"

#include <hearth_guest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

namespace hearth::fake_host {

State& state() {
  static State state;
  return state;
}

namespace {

struct Pass {
  int32_t context = 0;
  std::vector<uint32_t> tokens;
  bool draws = false;
};
struct Host {
  int32_t next = 1;
  std::map<int32_t, Pass> passes;
  std::map<int32_t, pie_core_inference_output_t> outputs;
  std::map<int32_t, uint32_t> committed_pages;
  std::map<int32_t, size_t> said;  // of each context's script
  std::map<std::string, std::string> snapshots;
  std::string reply;  // of the chat decoder
};
Host& host() {
  static Host host;
  return host;
}

int32_t make() {
  ++state().handles;
  return host().next++;
}
template <class T>
T* copy(const T* data, size_t count) {
  auto* out = static_cast<T*>(std::malloc(std::max<size_t>(1, count * sizeof(T))));
  std::memcpy(out, data, count * sizeof(T));
  return out;
}
void give(std::string_view text, hearth_guest_string_t* out) {
  *out = {copy(reinterpret_cast<const uint8_t*>(text.data()), text.size()), text.size()};
}
void give(const std::vector<uint32_t>& list, hearth_guest_list_u32_t* out) {
  *out = {copy(list.data(), list.size()), list.size()};
}
std::vector<uint32_t> tokens_of(std::string_view text) {
  std::vector<uint32_t> out;
  for (const char c : text) out.push_back(static_cast<unsigned char>(c));
  return out;
}
std::string_view view(const hearth_guest_string_t* text) {
  return {reinterpret_cast<const char*>(text->ptr), text->len};
}

// Bytes as text; each that is not part of a whole character becomes U+FFFD, but what could still become one counts
// once.
std::string lossy(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size();) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    const size_t size = byte < 0x80 ? 1 : byte >> 5 == 6 ? 2 : byte >> 4 == 14 ? 3 : byte >> 3 == 30 ? 4 : 0;
    size_t have = 1;
    while (have < size && i + have < bytes.size() && static_cast<unsigned char>(bytes[i + have]) >> 6 == 2) ++have;
    if (size != 0 && have == size)
      out += bytes.substr(i, size);
    else
      out += "\xEF\xBF\xBD";
    i += have;
  }
  return out;
}

uint32_t next_token(int32_t context) {
  const auto own = state().scripts.find(context);
  const std::string& script = own != state().scripts.end() ? own->second : state().script;
  size_t& said = host().said[context];
  return said < script.size() ? static_cast<unsigned char>(script[said++]) : kStop;
}

}  // namespace

void reset() {
  state() = {};
  host() = {};
}

}  // namespace hearth::fake_host

using namespace hearth::fake_host;

#define HANDLE(prefix, name, kind)                                                    \
  void prefix##_##name##_drop_own(prefix##_own_##name##_t) {                          \
    --state().handles;                                                                \
  }                                                                                   \
  prefix##_borrow_##name##_t prefix##_borrow_##name(prefix##_own_##name##_t handle) { \
    return {handle.__handle};                                                         \
  }

extern "C" {

HANDLE(wasi_io_poll, pollable, )
HANDLE(pie_core_types, future_string, )
HANDLE(pie_core_types, future_blob, )
HANDLE(pie_core_model, model, )
HANDLE(pie_core_model, tokenizer, )
HANDLE(pie_core_context, context, )
HANDLE(pie_core_inference, forward_pass, )
HANDLE(pie_core_inference, future_output, )
HANDLE(pie_core_inference, grammar, )
HANDLE(pie_core_inference, matcher, )
HANDLE(pie_instruct_chat, decoder, )

void hearth_guest_string_free(hearth_guest_string_t* text) {
  std::free(text->ptr);
}
void hearth_guest_list_u32_free(hearth_guest_list_u32_t* list) {
  std::free(list->ptr);
}
void hearth_guest_list_u8_free(hearth_guest_list_u8_t* list) {
  std::free(list->ptr);
}
void hearth_guest_list_string_free(hearth_guest_list_string_t* list) {
  for (size_t i = 0; i < list->len; ++i) std::free(list->ptr[i].ptr);
  std::free(list->ptr);
}
void hearth_guest_tuple2_list_u32_list_list_u8_free(hearth_guest_tuple2_list_u32_list_list_u8_t*) {}
void pie_core_inference_output_free(pie_core_inference_output_t* output) {
  std::free(output->slots.ptr);
}

void wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable_t) {
  ++state().calls;
}
bool wasi_io_poll_method_pollable_ready(wasi_io_poll_borrow_pollable_t) {
  return true;
}
void wasi_io_poll_poll(wasi_io_poll_list_borrow_pollable_t* in, hearth_guest_list_u32_t* ret) {
  std::vector<uint32_t> all;
  for (uint32_t i = 0; i < in->len; ++i) all.push_back(i);
  give(all, ret);
}
wasi_io_poll_own_pollable_t wasi_clocks_monotonic_clock_subscribe_duration(uint64_t) {
  return {make()};
}
wasi_io_poll_own_pollable_t pie_core_types_method_future_string_pollable(pie_core_types_borrow_future_string_t) {
  return {make()};
}
bool pie_core_types_method_future_string_get(pie_core_types_borrow_future_string_t, hearth_guest_string_t*) {
  return false;
}
wasi_io_poll_own_pollable_t pie_core_types_method_future_blob_pollable(pie_core_types_borrow_future_blob_t) {
  return {make()};
}
bool pie_core_types_method_future_blob_get(pie_core_types_borrow_future_blob_t, pie_core_types_blob_t*) {
  return false;
}

// ---- models
void pie_core_runtime_models(hearth_guest_list_string_t* ret) {
  *ret = {static_cast<hearth_guest_string_t*>(std::malloc(sizeof(hearth_guest_string_t))), 1};
  give("bytes", ret->ptr);
}
bool pie_core_model_static_model_load(hearth_guest_string_t* name, pie_core_model_own_model_t* ret,
                                      pie_core_model_error_t* err) {
  if (view(name) == "bytes") return *ret = {make()}, true;
  return give("[model] no such model", err), false;
}
pie_core_model_own_tokenizer_t pie_core_model_method_model_tokenizer(pie_core_model_borrow_model_t) {
  return {make()};
}
void pie_core_model_method_tokenizer_encode(pie_core_model_borrow_tokenizer_t, hearth_guest_string_t* text,
                                            hearth_guest_list_u32_t* ret) {
  give(tokens_of(view(text)), ret);
}
bool pie_core_model_method_tokenizer_decode(pie_core_model_borrow_tokenizer_t, hearth_guest_list_u32_t* tokens,
                                            hearth_guest_string_t* ret, pie_core_model_error_t* err) {
  ++state().calls;
  std::string bytes;
  for (size_t i = 0; i < tokens->len; ++i) {
    if (tokens->ptr[i] > kSpecial) return give("[tokenizer] token beyond the vocabulary", err), false;
    if (tokens->ptr[i] < 256) bytes += static_cast<char>(tokens->ptr[i]);
  }
  return give(lossy(bytes), ret), true;
}
void pie_core_model_method_tokenizer_vocabs(pie_core_model_borrow_tokenizer_t,
                                            hearth_guest_tuple2_list_u32_list_list_u8_t* ret) {
  *ret = {};
}
void pie_core_model_method_tokenizer_special_tokens(pie_core_model_borrow_tokenizer_t,
                                                    hearth_guest_tuple2_list_u32_list_list_u8_t* ret) {
  *ret = {};
}
void pie_core_model_method_tokenizer_split_regex(pie_core_model_borrow_tokenizer_t, hearth_guest_string_t* ret) {
  give("", ret);
}

// ---- contexts
bool pie_core_context_static_context_create(pie_core_context_borrow_model_t, pie_core_context_own_context_t* ret,
                                            pie_core_context_error_t*) {
  *ret = {make()};
  state().contexts[ret->__handle] = "";
  return true;
}
bool pie_core_context_static_context_open(pie_core_context_borrow_model_t, hearth_guest_string_t* name,
                                          pie_core_context_own_context_t* ret, pie_core_context_error_t* err) {
  const auto found = host().snapshots.find(std::string(view(name)));
  if (found == host().snapshots.end()) return give("[context] no snapshot", err), false;
  *ret = {make()};
  state().contexts[ret->__handle] = found->second;
  return true;
}
bool pie_core_context_static_context_take(pie_core_context_borrow_model_t model, hearth_guest_string_t* name,
                                          pie_core_context_own_context_t* ret, pie_core_context_error_t* err) {
  if (!pie_core_context_static_context_open(model, name, ret, err)) return false;
  host().snapshots.erase(std::string(view(name)));
  return true;
}
bool pie_core_context_static_context_delete(pie_core_context_borrow_model_t, hearth_guest_string_t* name,
                                            pie_core_context_error_t* err) {
  if (host().snapshots.erase(std::string(view(name))) > 0) return true;
  return give("[context] no snapshot", err), false;
}
bool pie_core_context_method_context_fork(pie_core_context_borrow_context_t self, pie_core_context_own_context_t* ret,
                                          pie_core_context_error_t*) {
  *ret = {make()};
  state().contexts[ret->__handle] = state().contexts[self.__handle];
  host().committed_pages[ret->__handle] = host().committed_pages[self.__handle];
  return true;
}
bool pie_core_context_method_context_save(pie_core_context_borrow_context_t self, hearth_guest_string_t* name,
                                          pie_core_context_error_t*) {
  host().snapshots[std::string(view(name))] = state().contexts[self.__handle];
  return true;
}
bool pie_core_context_method_context_snapshot(pie_core_context_borrow_context_t self, hearth_guest_string_t* ret,
                                              pie_core_context_error_t*) {
  host().snapshots["auto"] = state().contexts[self.__handle];
  return give("auto", ret), true;
}
uint32_t pie_core_context_method_context_tokens_per_page(pie_core_context_borrow_context_t) {
  return ++state().calls, kPageSize;
}
uint32_t pie_core_context_method_context_committed_page_count(pie_core_context_borrow_context_t self) {
  return host().committed_pages[self.__handle];
}
uint32_t pie_core_context_method_context_working_page_token_count(pie_core_context_borrow_context_t self) {
  ++state().calls;
  return static_cast<uint32_t>(state().contexts[self.__handle].size()) -
         host().committed_pages[self.__handle] * kPageSize;
}
bool pie_core_context_method_context_commit_working_pages(pie_core_context_borrow_context_t self, uint32_t pages,
                                                          pie_core_context_error_t* err) {
  ++state().calls;
  if (pages * kPageSize > pie_core_context_method_context_working_page_token_count(self))
    return give("[context] not full", err), false;
  host().committed_pages[self.__handle] += pages;
  state().committed.push_back(pages);
  return true;
}
void pie_core_context_method_context_truncate_working_page_tokens(pie_core_context_borrow_context_t self,
                                                                  uint32_t count) {
  auto& text = state().contexts[self.__handle];
  text.resize(text.size() - count);
}
bool pie_core_context_method_context_suspend(pie_core_context_borrow_context_t, pie_core_context_error_t*) {
  return true;
}

// ---- passes
pie_core_inference_own_forward_pass_t pie_core_inference_constructor_forward_pass(pie_core_inference_borrow_model_t) {
  ++state().calls;
  return {make()};
}
void pie_core_inference_method_forward_pass_context(pie_core_inference_borrow_forward_pass_t self,
                                                    pie_core_inference_borrow_context_t context) {
  ++state().calls;
  host().passes[self.__handle].context = context.__handle;
}
void pie_core_inference_method_forward_pass_input_tokens(pie_core_inference_borrow_forward_pass_t self,
                                                         hearth_guest_list_u32_t* tokens,
                                                         hearth_guest_list_u32_t* positions) {
  ++state().calls;
  host().passes[self.__handle].tokens.assign(tokens->ptr, tokens->ptr + tokens->len);
  state().positions.emplace_back(positions->ptr, positions->ptr + positions->len);
}
void pie_core_inference_method_forward_pass_logit_mask(pie_core_inference_borrow_forward_pass_t,
                                                       pie_core_inference_brle_t* mask) {
  ++state().calls;
  state().masks.emplace_back(mask->ptr, mask->ptr + mask->len);
}
void hearth_inferlet_sampling_attach(hearth_inferlet_sampling_borrow_forward_pass_t pass,
                                     hearth_guest_list_u32_t* indices, hearth_inferlet_sampling_draw_t* draw) {
  ++state().calls;
  if (indices->len != 1 || indices->ptr[0] + 1 != host().passes[pass.__handle].tokens.size()) std::abort();
  host().passes[pass.__handle].draws = true;
  state().draws.push_back({draw->temperature, draw->top_k, draw->top_p, draw->min_p, draw->seed});
}
bool pie_core_inference_method_forward_pass_execute(pie_core_inference_borrow_forward_pass_t self,
                                                    pie_core_inference_own_future_output_t* ret,
                                                    pie_core_inference_error_t* err) {
  ++state().calls;
  if (!state().execute_error.empty()) return give(std::exchange(state().execute_error, ""), err), false;
  const Pass& pass = host().passes[self.__handle];
  for (const uint32_t token : pass.tokens) state().contexts[pass.context] += static_cast<char>(token);
  pie_core_inference_output_t output{};
  if (pass.draws && !state().empty_output) {
    pie_core_inference_slot_output_t slot{};
    slot.tag = PIE_CORE_INFERENCE_SLOT_OUTPUT_TOKEN;
    slot.val.token = next_token(pass.context);
    output.slots = {copy(&slot, 1), 1};
  }
  *ret = {make()};
  host().outputs[ret->__handle] = output;
  return true;
}
wasi_io_poll_own_pollable_t pie_core_inference_method_future_output_pollable(
    pie_core_inference_borrow_future_output_t) {
  ++state().calls;
  return {make()};
}
bool pie_core_inference_method_future_output_get(pie_core_inference_borrow_future_output_t self,
                                                 pie_core_inference_output_t* ret) {
  ++state().calls;
  *ret = host().outputs[self.__handle];
  return true;
}

// ---- grammars: the matcher allows the letters a to c and ends after three of them
bool pie_core_inference_static_grammar_from_json_schema(hearth_guest_string_t*, pie_core_inference_own_grammar_t*,
                                                        pie_core_inference_error_t* err) {
  return give("[grammar] not JSON", err), false;
}
bool pie_core_inference_static_grammar_from_regex(hearth_guest_string_t*, pie_core_inference_own_grammar_t* ret,
                                                  pie_core_inference_error_t*) {
  return *ret = {make()}, true;
}
bool pie_core_inference_static_grammar_from_ebnf(hearth_guest_string_t*, pie_core_inference_own_grammar_t* ret,
                                                 pie_core_inference_error_t*) {
  return *ret = {make()}, true;
}
pie_core_inference_own_grammar_t pie_core_inference_static_grammar_json(void) {
  return {make()};
}
void pie_core_inference_method_grammar_to_string(pie_core_inference_borrow_grammar_t, hearth_guest_string_t* ret) {
  give("[abc]{3}", ret);
}
static uint32_t accepted;
pie_core_inference_own_matcher_t pie_core_inference_constructor_matcher(pie_core_inference_borrow_grammar_t,
                                                                        pie_core_inference_borrow_tokenizer_t) {
  accepted = 0;
  return {make()};
}
bool pie_core_inference_method_matcher_accept_tokens(pie_core_inference_borrow_matcher_t,
                                                     hearth_guest_list_u32_t* tokens, pie_core_inference_error_t* err) {
  for (size_t i = 0; i < tokens->len; ++i, ++accepted)
    if (tokens->ptr[i] < 'a' || tokens->ptr[i] > 'c') return give("[matcher] not allowed", err), false;
  return true;
}
void pie_core_inference_method_matcher_next_token_logit_mask(pie_core_inference_borrow_matcher_t,
                                                             pie_core_inference_brle_t* ret) {
  hearth_guest_list_u32_t runs;
  give(std::vector<uint32_t>{'a', 3}, &runs);
  *ret = {runs.ptr, runs.len};
}
bool pie_core_inference_method_matcher_is_terminated(pie_core_inference_borrow_matcher_t) {
  return accepted >= 3;
}
void pie_core_inference_method_matcher_reset(pie_core_inference_borrow_matcher_t) {
  accepted = 0;
}

// ---- chat: <s>…, <u>…, <a>…; the cue is <r>, the seal </r>
static void turn(std::string_view mark, const hearth_guest_string_t* message, hearth_guest_list_u32_t* ret) {
  give(tokens_of(std::string(mark) + std::string(view(message))), ret);
}
void pie_instruct_chat_system(pie_instruct_chat_borrow_model_t, hearth_guest_string_t* m,
                              hearth_guest_list_u32_t* ret) {
  turn("<s>", m, ret);
}
void pie_instruct_chat_user(pie_instruct_chat_borrow_model_t, hearth_guest_string_t* m, hearth_guest_list_u32_t* ret) {
  turn("<u>", m, ret);
}
void pie_instruct_chat_assistant(pie_instruct_chat_borrow_model_t, hearth_guest_string_t* m,
                                 hearth_guest_list_u32_t* ret) {
  turn("<a>", m, ret);
}
void pie_instruct_chat_cue(pie_instruct_chat_borrow_model_t, hearth_guest_list_u32_t* ret) {
  give(tokens_of("<r>"), ret);
}
void pie_instruct_chat_seal(pie_instruct_chat_borrow_model_t, hearth_guest_list_u32_t* ret) {
  give(tokens_of("</r>"), ret);
}
void pie_instruct_chat_stop_tokens(pie_instruct_chat_borrow_model_t, hearth_guest_list_u32_t* ret) {
  give({kStop}, ret);
}
pie_instruct_chat_own_decoder_t pie_instruct_chat_create_decoder(pie_instruct_chat_borrow_model_t) {
  return {make()};
}
bool pie_instruct_chat_method_decoder_feed(pie_instruct_chat_borrow_decoder_t, hearth_guest_list_u32_t* tokens,
                                           pie_instruct_chat_event_t* ret, pie_instruct_chat_error_t*) {
  ++state().calls;
  std::string& reply = host().reply;
  const uint32_t token = tokens->ptr[0];
  if (token == kSpecial) {
    *ret = {.tag = PIE_INSTRUCT_CHAT_EVENT_INTERRUPT, .val = {.interrupt = token}};
  } else if (token == '!') {  // a model whose replies end in '!': the decoder says so before any stop token
    reply += '!';
    *ret = {.tag = PIE_INSTRUCT_CHAT_EVENT_DONE, .val = {}};
    give(reply, &ret->val.done);
  } else {
    reply += static_cast<char>(token);
    *ret = {.tag = PIE_INSTRUCT_CHAT_EVENT_DELTA, .val = {}};
    give(std::string(1, static_cast<char>(token)), &ret->val.delta);
  }
  return true;
}
void pie_instruct_chat_method_decoder_reset(pie_instruct_chat_borrow_decoder_t) {
  host().reply.clear();
}
}
