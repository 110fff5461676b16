// A conversation: each message that arrives is a turn of the user, the reply streams to standard output. Earlier turns
// stay computed, so a turn costs its own words only. It ends when the client says /exit or leaves.
#include <hearth/inferlet.hpp>

hearth::Result<std::string> run(hearth::Arguments& arguments) {
  std::string system;
  hearth::Sampling sampling;
  hearth::Limits limits;
  HEARTH_TRY(arguments.option("system", system, "what the conversation is about")
                 .option("max-tokens", limits.max_tokens, "length of one reply at most; default 256")
                 .option("temperature", sampling.temperature, "0 takes the most probable token; default 0.7")
                 .option("top-p", sampling.top_p, "draw from the most probable that reach p together; default 1")
                 .option("seed", sampling.seed, "the same seed gives the same replies; default a fresh one")
                 .done());

  HEARTH_LET(const auto model, hearth::Model::load());
  HEARTH_LET(auto context, hearth::Context::create(model));
  hearth::Chat chat(context);
  if (!system.empty()) chat.system(system);

  uint32_t turns = 0;
  while (const auto message = hearth::session::receive().wait()) {
    if (*message == "/exit") break;
    chat.user(*message);
    HEARTH_TRY(chat.reply(sampling, limits, hearth::print));
    hearth::print("\n");  // the reply is complete
    ++turns;
  }
  return "{\"turns\":" + std::to_string(turns) + "}";
}

HEARTH_INFERLET(run)
