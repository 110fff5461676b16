#include "inferlet/host/guest.h"

#include <algorithm>

namespace hearth::inferlet {

void PassLatency::record(engine::ModelId model, double seconds) {
  if (model >= seconds_.size()) return;
  constexpr double kWeight = 0.1;  // of the newest
  double old = seconds_[model].load();
  seconds_[model].store(old == 0 ? seconds : old + kWeight * (seconds - old));  // one writer: the engine thread
}

void Guest::prune_passes() {
  std::erase_if(passes, [](const Pass& pass) {
    std::lock_guard lock(pass.state->mutex);
    return pass.state->output.has_value();
  });
}

void Guest::release() {
  prune_passes();
  for (const Pass& pass : passes) services.engine->cancel(pass.request);
  passes.clear();
  pending = nullptr;
  resources.clear();
}

std::unexpected<Trap> not_served(std::string_view what) {
  return std::unexpected(Trap{fmt::format("[guest] {}; this build does not serve it", what)});
}

std::unexpected<Error> unsupported(std::string_view what) {
  return fail(ErrorKind::Unsupported, "[inferlet] {} is not served by this build", what);
}

void bind_world(Binder& binder) {
  // Pie's packages have no versions and its guests import them without one. A contract that is written out with the
  // version of the line it belongs to means the same functions, whose types are compared in any case.
  binder.also_as("pie:", "0.4.0");
  bind_types(binder);
  bind_model(binder);
  bind_context(binder);
  bind_inference(binder);
  bind_grammar(binder);
  bind_messaging(binder);
  bind_session(binder);
  bind_runtime(binder);
  bind_scheduling(binder);
  bind_media(binder);
  bind_audio_out(binder);
  bind_adapter(binder);
  bind_chat(binder);
  bind_reasoning(binder);
  bind_tool_use(binder);
  bind_mcp(binder);
  bind_sampling(binder);
}

}  // namespace hearth::inferlet
