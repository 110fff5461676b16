// Several continuations of one prompt: the prompt is computed once, then each fork of it goes its own way, all in the
// same steps of the engine.
#include <algorithm>
#include <hearth/inferlet.hpp>

namespace {

struct Branch {
  hearth::Context context;
  hearth::Sampling sampling;
  hearth::TextStream stream;
  std::string text;
  uint32_t tokens = 0;
  std::optional<hearth::NextToken> pass;  // none: it is finished
  std::optional<hearth::Pollable> ready;

  hearth::Result<> start() {
    HEARTH_LET(pass, context.next(sampling));
    ready = pass->pollable();
    return {};
  }

  // Takes the token that is there; goes on, or ends.
  hearth::Result<> advance(const hearth::Limits& limits) {
    HEARTH_LET(const auto token, pass->get());
    if (!token) return {};
    ready.reset();
    pass.reset();
    const bool stop = std::ranges::find(limits.stop_tokens, *token) != limits.stop_tokens.end();
    if (!stop) {
      HEARTH_LET(const auto piece, stream.feed(*token));
      text += piece;
      context.append(*token);
      if (++tokens < limits.max_tokens) return start();
    }
    text += stream.finish();
    return {};
  }
};

}  // namespace

hearth::Result<std::string> run(hearth::Arguments& arguments) {
  std::string prompt, system;
  uint32_t count = 3;
  hearth::Sampling sampling{.temperature = 0.9f};
  hearth::Limits limits{.max_tokens = 64};
  HEARTH_TRY(arguments.option("prompt", prompt, "what to answer (needed)")
                 .option("system", system, "what the conversation is about")
                 .option("n", count, "number of answers; default 3")
                 .option("max-tokens", limits.max_tokens, "length of one answer at most; default 64")
                 .option("temperature", sampling.temperature, "default 0.9")
                 .option("top-p", sampling.top_p, "draw from the most probable that reach p together; default 1")
                 .option("seed", sampling.seed, "of the first answer, the others count on from it; default fresh ones")
                 .done());
  if (prompt.empty()) return hearth::fail("[parallel-generation] --prompt; got none, need a text");
  if (count < 1 || count > 64)
    return hearth::fail("[parallel-generation] --n; got " + std::to_string(count) + ", need 1 to 64");

  HEARTH_LET(const auto model, hearth::Model::load());
  HEARTH_LET(auto root, hearth::Context::create(model));
  hearth::Chat chat(root);
  if (!system.empty()) chat.system(system);
  chat.user(prompt);
  chat.cue();
  limits.stop_tokens = hearth::stop_tokens(model);

  std::vector<Branch> branches;
  branches.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    HEARTH_LET(auto context, root.fork());
    auto own = sampling;
    if (own.seed != 0) own.seed += i;
    branches.push_back({std::move(context), own, hearth::TextStream(model), {}, 0, {}, {}});
  }
  for (Branch& branch : branches) HEARTH_TRY(branch.start());

  for (;;) {
    std::vector<const hearth::Pollable*> waiting;
    std::vector<Branch*> owners;
    for (Branch& branch : branches) {
      if (!branch.pass) continue;
      waiting.push_back(&*branch.ready);
      owners.push_back(&branch);
    }
    if (waiting.empty()) break;
    for (const uint32_t i : hearth::poll(waiting)) HEARTH_TRY(owners[i]->advance(limits));
  }

  std::string all;
  for (size_t i = 0; i < branches.size(); ++i) all += "[" + std::to_string(i + 1) + "] " + branches[i].text + "\n";
  hearth::print(all);
  return all;
}

HEARTH_INFERLET(run)
