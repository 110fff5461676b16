// A guest that does what its `mode` says and reports what the host did.
#include <cstdio>
#include <cstdlib>
#include <hearth/inferlet.hpp>

namespace {

using hearth::Result;
using hearth::binding::list;
using hearth::binding::take;
using hearth::binding::text;

// Standard output and error, at once and through libc.
Result<std::string> print() {
  hearth::print("one\n");
  std::fputs("two\n", stderr);
  std::fputs("three\n", stdout);
  return "printed";
}

// Gives back each message until "stop".
Result<std::string> echo() {
  uint32_t count = 0;
  while (const auto message = hearth::session::receive().wait()) {
    if (*message == "stop") break;
    hearth::session::send("you said " + *message);
    ++count;
  }
  return std::to_string(count);
}

Result<std::string> wait() {
  return hearth::session::receive().wait().value_or("nothing");
}

Result<std::string> file() {
  auto bytes = hearth::session::receive_file().wait().value();
  for (uint8_t& byte : bytes) byte ^= 0xff;
  hearth::session::send_file(bytes);
  return "";
}

// A future that is dropped unread must not lose the message.
Result<std::string> drop_future() {
  {
    auto first = hearth::session::receive();
    first.pollable().wait();
  }
  return hearth::session::receive().wait().value_or("lost");
}

Result<std::string> child(const std::string& program) {
  HEARTH_LET(const auto started, hearth::runtime::Child::launch(program, R"({"mode":"who"})"));
  const std::string pid = started.pid();
  HEARTH_LET(const auto said, started.wait());
  return said == pid + " anna" ? std::string("same") : said + " is not " + pid;
}
Result<std::string> who() {
  return hearth::runtime::instance_id() + " " + hearth::runtime::username();
}

Result<std::string> messaging() {
  hearth::messaging::Subscription news("news");
  hearth::messaging::push("queue", "first");
  hearth::messaging::push("queue", "second");
  hearth::messaging::broadcast("news", "extra");
  std::string all = *hearth::messaging::pull("queue").wait() + " " + *hearth::messaging::pull("queue").wait();
  news.pollable().wait();
  all += " " + news.get().value_or("-") + " " + news.get().value_or("-");
  news.unsubscribe();
  hearth::messaging::broadcast("news", "late");
  return all + " " + news.get().value_or("-");
}

// Many waits at once, and time.
Result<std::string> timers() {
  const auto slow = hearth::after(std::chrono::seconds(60));
  const auto fast = hearth::after(std::chrono::milliseconds(5));
  const hearth::Pollable* both[] = {&slow, &fast};
  const auto ready = hearth::poll(both);
  return std::to_string(ready.size()) + " " + std::to_string(ready.at(0));
}

std::string models_error() {
  hearth_guest_string_t name = text("gpt-0"), error;
  pie_core_model_own_model_t model;
  return pie_core_model_static_model_load(&name, &model, &error) ? "" : take(error);
}

// One pass with what is wrong in it; the error of execute.
std::string pass_error(const hearth::Model& model, std::vector<uint32_t> tokens, std::vector<uint32_t> positions,
                       std::vector<uint32_t> indices, bool drafts = false) {
  auto pass = pie_core_inference_constructor_forward_pass(model.borrow());
  auto self = pie_core_inference_borrow_forward_pass(pass);
  auto t = list(tokens), p = list(positions), i = list(indices);
  pie_core_inference_method_forward_pass_input_tokens(self, &t, &p);
  if (drafts) pie_core_inference_method_forward_pass_input_speculative_tokens(self, &t, &p);
  pie_core_inference_sampler_t entropy{.tag = PIE_CORE_INFERENCE_SAMPLER_ENTROPY, .val = {}};
  pie_core_inference_method_forward_pass_sampler(self, &i, &entropy);
  pie_core_inference_own_future_output_t future;
  hearth_guest_string_t error;
  std::string result = "accepted";
  if (pie_core_inference_method_forward_pass_execute(self, &future, &error)) {
    pie_core_inference_future_output_drop_own(future);
  } else {
    result = take(error);
  }
  pie_core_inference_forward_pass_drop_own(pass);
  return result;
}

Result<std::string> misuse() {
  HEARTH_LET(const auto model, hearth::Model::load());
  std::string all = models_error();
  all += "\n" + pass_error(model, {}, {}, {});
  all += "\n" + pass_error(model, {1, 2}, {0}, {});
  all += "\n" + pass_error(model, {1, 4'000'000'000}, {0, 1}, {});
  all += "\n" + pass_error(model, {1, 2}, {0, 1}, {2});
  all += "\n" + pass_error(model, {1}, {0}, {0}, true);
  all += "\n" + pass_error(model, {1}, {0}, {0});
  return all;
}

// What is not served answers with an error.
Result<std::string> unserved() {
  HEARTH_LET(const auto model, hearth::Model::load());
  hearth_guest_string_t error;
  std::string all;
  hearth_guest_list_u8_t bytes{};
  pie_core_media_own_image_t image;
  if (!pie_core_media_static_image_from_bytes(model.borrow(), &bytes, &image, &error)) all += take(error);
  hearth_guest_string_t name = text("x");
  pie_core_adapter_own_adapter_t adapter;
  if (!pie_core_adapter_static_adapter_create(model.borrow(), &name, &adapter, &error)) all += "\n" + take(error);
  if (!pie_core_adapter_static_adapter_open(model.borrow(), &name, &adapter)) all += "\nno adapter";
  hearth_guest_list_string_t servers;
  pie_mcp_client_available_servers(&servers);
  all += "\n" + std::to_string(servers.len) + " servers";
  pie_mcp_client_own_session_t session;
  pie_mcp_client_error_t mcp;
  if (!pie_mcp_client_connect(&name, &session, &mcp)) all += "\n" + std::to_string(mcp.code) + " " + take(mcp.message);
  return all;
}

// The same continuation from a context, from its fork, and from a snapshot of it.
Result<std::string> contexts() {
  HEARTH_LET(const auto model, hearth::Model::load());
  HEARTH_LET(auto context, hearth::Context::create(model));
  context.append("the quick brown fox jumps over the lazy dog and the quick brown fox jumps again");
  const hearth::Sampling sampling{.temperature = 1.0f, .seed = 7};
  HEARTH_LET(auto fork, context.fork());
  HEARTH_LET(const auto a, context.generate(sampling, {.max_tokens = 8}));
  HEARTH_LET(const auto b, fork.generate(sampling, {.max_tokens = 8}));
  const double latency = pie_core_scheduling_latency(context.borrow());
  if (latency <= 0) return hearth::fail("no latency");
  HEARTH_TRY(context.save("kept"));
  if (context.save("kept")) return hearth::fail("a name was saved twice");
  HEARTH_LET(auto taken, hearth::Context::take(model, "kept"));
  if (hearth::Context::open(model, "kept")) return hearth::fail("a taken snapshot is still there");
  return a.tokens == b.tokens ? std::string("same") : std::string("different");
}

// The tokens that a sampling draws, one after another.
Result<std::string> tokens_drawn(const hearth::Sampling& sampling, std::string_view prompt) {
  HEARTH_LET(const auto model, hearth::Model::load());
  HEARTH_LET(auto context, hearth::Context::create(model));
  context.append(prompt);
  HEARTH_LET(const auto drawn, context.generate(sampling, {.max_tokens = 16}));
  std::string all;
  for (const uint32_t token : drawn.tokens) all += (all.empty() ? "" : " ") + std::to_string(token);
  return all;
}

// One pass with both kinds of sampler on each of its rows, or the error of it: "5 5, 9 9, 9 9".
std::string drawn_both_ways(const hearth::Model& model, std::vector<uint32_t> rows,
                            hearth_inferlet_sampling_draw_t draw) {
  auto pass = pie_core_inference_constructor_forward_pass(model.borrow());
  auto self = pie_core_inference_borrow_forward_pass(pass);
  std::vector<uint32_t> tokens = {5, 6, 7}, positions = {0, 1, 2};
  auto t = list(tokens), p = list(positions), i = list(rows);
  pie_core_inference_method_forward_pass_input_tokens(self, &t, &p);
  hearth_inferlet_sampling_attach(self, &i, &draw);
  pie_core_inference_sampler_t multinomial{.tag = PIE_CORE_INFERENCE_SAMPLER_MULTINOMIAL, .val = {}};
  multinomial.val.multinomial = {draw.temperature, static_cast<uint32_t>(draw.seed)};
  pie_core_inference_method_forward_pass_sampler(self, &i, &multinomial);
  pie_core_inference_own_future_output_t future;
  hearth_guest_string_t error;
  if (!pie_core_inference_method_forward_pass_execute(self, &future, &error)) return take(error);
  const hearth::NextToken done(future);
  done.pollable().wait();
  pie_core_inference_output_t output;
  if (!pie_core_inference_method_future_output_get(done.borrow(), &output)) return "no output";
  std::string all;
  for (size_t row = 0; row < rows.size(); ++row)
    all += (row ? ", " : "") + std::to_string(output.slots.ptr[row].val.token) + " " +
           std::to_string(output.slots.ptr[rows.size() + row].val.token);
  return all;
}

Result<std::string> draw_misuse() {
  HEARTH_LET(const auto model, hearth::Model::load());
  std::string all;
  for (const hearth_inferlet_sampling_draw_t draw : {hearth_inferlet_sampling_draw_t{-1, 0, 1, 0, 1},
                                                     {1.0f / 0.0f, 0, 1, 0, 1},
                                                     {1, 0, 1.5f, 0, 1},
                                                     {1, 0, 1, __builtin_nanf(""), 1}})
    all += drawn_both_ways(model, {2}, draw) + "\n";
  return all + drawn_both_ways(model, {3}, {1, 0, 1, 0, 1});
}

// What a grammar lets through: its text drawn from a model that knows nothing.
Result<std::string> grammar() {
  HEARTH_LET(const auto model, hearth::Model::load());
  HEARTH_LET(auto context, hearth::Context::create(model));
  context.append("x");
  HEARTH_LET(const auto language, hearth::Grammar::from_regex("(ab|cd){3}"));
  hearth::Matcher matcher(language, model.tokenizer());
  HEARTH_LET(const auto drawn, context.generate({.temperature = 1.0f, .seed = 3}, {.max_tokens = 50}, {}, &matcher));
  if (matcher.accept(model.tokenizer().encode("zz"))) return hearth::fail("zz was accepted");
  if (hearth::Grammar::from_regex("(")) return hearth::fail("( is no expression");
  return drawn.text;
}

// The pieces of a conversation, as text.
Result<std::string> chat() {
  HEARTH_LET(const auto model, hearth::Model::load());
  std::vector<uint32_t> all;
  const auto add = [&](auto piece, auto... message) {
    hearth_guest_list_u32_t tokens;
    piece(model.borrow(), message..., &tokens);
    const auto taken = take(tokens);
    all.insert(all.end(), taken.begin(), taken.end());
  };
  hearth_guest_string_t system = text("S"), user = text("U"), reply = text("A");
  add(pie_instruct_chat_system, &system);
  add(pie_instruct_chat_user, &user);
  add(pie_instruct_chat_assistant, &reply);
  add(pie_instruct_chat_user, &user);
  add(pie_instruct_chat_cue);
  add(pie_instruct_chat_seal);
  return model.tokenizer().decode(all);
}

Result<std::string> reasoning() {
  HEARTH_LET(const auto model, hearth::Model::load());
  auto decoder = pie_instruct_reasoning_create_decoder(model.borrow());
  std::string all;
  for (const char* part : {"well ", "<think>", "hm", "hm</think>", "so"}) {
    auto tokens = model.tokenizer().encode(part);
    auto view = list(tokens);
    pie_instruct_reasoning_event_t event;
    hearth_guest_string_t error;
    if (!pie_instruct_reasoning_method_decoder_feed(pie_instruct_reasoning_borrow_decoder(decoder), &view, &event,
                                                    &error))
      return hearth::fail(take(error));
    all += event.tag == PIE_INSTRUCT_REASONING_EVENT_START      ? "[start]"
           : event.tag == PIE_INSTRUCT_REASONING_EVENT_COMPLETE ? "[complete " + take(event.val.complete) + "]"
                                                                : "[" + take(event.val.delta) + "]";
  }
  return all;
}

Result<std::string> tools() {
  HEARTH_LET(const auto model, hearth::Model::load());
  auto decoder = pie_instruct_tool_use_create_decoder(model.borrow());
  const auto self = pie_instruct_tool_use_borrow_decoder(decoder);
  std::string all;
  for (const char* part :
       {"<tool_call>{\"name\": \"add\", ", "\"arguments\": {\"a\": 1}}</tool_call>", "<tool_call>no</tool_call>"}) {
    auto tokens = model.tokenizer().encode(part);
    auto view = list(tokens);
    pie_instruct_tool_use_event_t event;
    hearth_guest_string_t error;
    if (!pie_instruct_tool_use_method_decoder_feed(self, &view, &event, &error)) {
      all += "error " + take(error);
    } else if (event.tag == PIE_INSTRUCT_TOOL_USE_EVENT_CALL) {
      all += "call " + take(event.val.call.f0) + take(event.val.call.f1) + "\n";
    } else {
      all += "start\n";
    }
  }
  const std::string deep(100'000, '[');  // must not cost the host its stack
  hearth_guest_string_t bad = text(deep), problem;
  hearth_guest_list_string_t bads{&bad, 1};
  hearth_guest_list_u32_t unused;
  all += pie_instruct_tool_use_equip(model.borrow(), &bads, &unused, &problem) ? "\naccepted" : "\n" + take(problem);
  hearth_guest_string_t tool = text(R"({"name":"add","parameters":{"type":"object"}})");
  hearth_guest_list_string_t descriptions{&tool, 1};
  hearth_guest_list_u32_t tokens;
  hearth_guest_string_t error;
  all +=
      pie_instruct_tool_use_equip(model.borrow(), &descriptions, &tokens, &error) ? "\nequipped" : "\n" + take(error);
  hearth::Matcher matcher(pie_instruct_tool_use_create_matcher(model.borrow(), &descriptions));
  const std::string call = "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>";
  all += matcher.accept(model.tokenizer().encode(call)) ? "\nmatches" : "\ndoes not match";
  matcher.reset();
  all += matcher.accept(model.tokenizer().encode("<tool_call>\n{\"name\": \"sub\"")) ? "\nmatches" : "\ndoes not match";
  pie_instruct_tool_use_own_grammar_t form;
  all += pie_instruct_tool_use_format(model.borrow(), &descriptions, &form) ? "\nform" : "\nno form";
  hearth_guest_string_t name = text("add"), value = text("3");
  pie_instruct_tool_use_answer(model.borrow(), &name, &value, &tokens);
  HEARTH_LET(const auto answer, model.tokenizer().decode(take(tokens)));
  return all + "\n" + answer;
}

// Ends with passes under way and contexts open: the host must take everything back.
Result<std::string> leave_open() {
  HEARTH_LET(const auto model, hearth::Model::load());
  for (int i = 0; i < 4; ++i) {
    HEARTH_LET(auto context, hearth::Context::create(model));
    context.append("text that is never used");
    HEARTH_LET(auto next, context.next({}));
    new hearth::Context(std::move(context));
    new hearth::NextToken(std::move(next));
  }
  std::abort();
}

}  // namespace

hearth::Result<std::string> run(hearth::Arguments& arguments) {
  std::string mode, program, prompt = "the quick brown fox";
  hearth::Sampling sampling;
  HEARTH_TRY(arguments.option("mode", mode, "what to do")
                 .option("program", program, "for child")
                 .option("prompt", prompt, "for draw")
                 .option("temperature", sampling.temperature, "for draw")
                 .option("top-k", sampling.top_k, "for draw")
                 .option("top-p", sampling.top_p, "for draw")
                 .option("min-p", sampling.min_p, "for draw")
                 .option("seed", sampling.seed, "for draw")
                 .done());
  if (mode == "print") return print();
  if (mode == "echo") return echo();
  if (mode == "wait") return wait();
  if (mode == "file") return file();
  if (mode == "drop-future") return drop_future();
  if (mode == "child") return child(program);
  if (mode == "who") return who();
  if (mode == "messaging") return messaging();
  if (mode == "timers") return timers();
  if (mode == "misuse") return misuse();
  if (mode == "unserved") return unserved();
  if (mode == "contexts") return contexts();
  if (mode == "grammar") return grammar();
  if (mode == "chat") return chat();
  if (mode == "reasoning") return reasoning();
  if (mode == "tools") return tools();
  if (mode == "draw") return tokens_drawn(sampling, prompt);
  if (mode == "draw-both-ways") {
    HEARTH_LET(const auto model, hearth::Model::load());
    return drawn_both_ways(model, {0, 1, 2}, {1, 0, 1, 0, sampling.seed});
  }
  if (mode == "draw-misuse") return draw_misuse();
  if (mode == "leave-open") return leave_open();
  return hearth::fail("no such mode");
}

HEARTH_INFERLET(run)
