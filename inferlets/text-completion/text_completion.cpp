// Answers one prompt. The text streams to standard output; the result is the whole text.
#include <hearth/inferlet.hpp>

hearth::Result<std::string> run(hearth::Arguments& arguments) {
  std::string prompt, system;
  bool raw = false;
  hearth::Sampling sampling;
  hearth::Limits limits;
  HEARTH_TRY(arguments.option("prompt", prompt, "what to answer (needed)")
                 .option("system", system, "what the conversation is about")
                 .option("raw", raw, "continue the prompt itself, without a chat template")
                 .option("max-tokens", limits.max_tokens, "length of the answer at most; default 256")
                 .option("temperature", sampling.temperature, "0 takes the most probable token; default 0.7")
                 .option("top-k", sampling.top_k, "draw from the k most probable tokens; default all")
                 .option("top-p", sampling.top_p, "draw from the most probable that reach p together; default 1")
                 .option("seed", sampling.seed, "the same seed gives the same text; default a fresh one")
                 .done());
  if (prompt.empty()) return hearth::fail("[text-completion] --prompt; got none, need a text");

  HEARTH_LET(const auto model, hearth::Model::load());
  HEARTH_LET(auto context, hearth::Context::create(model));
  if (raw) {
    context.append(prompt);
    limits.stop_tokens = hearth::stop_tokens(model);
    HEARTH_LET(const auto text, context.generate(sampling, limits, hearth::print));
    return text.text;
  }
  hearth::Chat chat(context);
  if (!system.empty()) chat.system(system);
  chat.user(prompt);
  HEARTH_LET(const auto reply, chat.reply(sampling, limits, hearth::print));
  return reply.text;
}

HEARTH_INFERLET(run)
