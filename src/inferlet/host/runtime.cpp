// pie:core/runtime: who the guest is, and children. A child's standard output and error go to the log; it talks to
// others through pie:core/messaging and through what its run returns.
#include "inferlet/runtime.h"

#include "base/log.h"
#include "inferlet/host/guest.h"

namespace hearth::inferlet {
namespace {

struct ChildState {  // shared: the handle may be dropped before the child ends
  Event ready;
  std::mutex mutex;
  std::optional<Result<std::string>> result;
};

struct Child : Resource {
  static constexpr ResourceType kType = ResourceType::Child;
  static constexpr const char* kName = "child";
  Child(std::shared_ptr<ChildState> s, std::unique_ptr<Process> p) : state(std::move(s)), process(std::move(p)) {}
  std::shared_ptr<ChildState> state;
  std::unique_ptr<Process> process;
};

struct Loading {  // shared between the thread that loads and the guest, which may end first
  Result<std::shared_ptr<Program>> program = nullptr;
};

Result<Own<Child>> start(Guest& guest, std::shared_ptr<Program> program, std::string input) {
  auto state = std::make_shared<ChildState>();
  ProcessEvents events;
  events.on_stdout = [](std::string_view text) { log_debug("child: {}", text); };
  events.on_stderr = [](std::string_view text) { log_info("child: {}", text); };
  events.on_exit = [state](Result<std::string> result) {
    {
      std::lock_guard lock(state->mutex);
      state->result = std::move(result);
    }
    state->ready.set();
  };
  ASSIGN_OR_RETURN(auto process,
                   guest.services.launch(std::move(program), std::move(input), guest.user, std::move(events)));
  return guest.resources.add(std::make_unique<Child>(std::move(state), std::move(process)));
}

Later<Result<Own<Child>>> launch(Guest& guest, std::string program, std::string input) {
  Event ready;
  auto loading = std::make_shared<Loading>();
  guest.services.run_aside([loading, ready, program, load = guest.services.load_program] {
    loading->program = load(program);
    ready.set();
  });
  return {ready, [&guest, loading, input = std::move(input)]() -> Result<Own<Child>> {
            if (!loading->program) return std::unexpected(loading->program.error());
            return start(guest, *std::move(loading->program), input);
          }};
}

}  // namespace

void bind_runtime(Binder& binder) {
  Interface<Guest> runtime(binder, "pie:core/runtime");
  runtime.resource<Child>();
  runtime.function("version", +[](Guest&) { return std::string(kRuntimeVersion); });
  runtime.function("instance-id", +[](Guest& guest) { return guest.id; });
  runtime.function("username", +[](Guest& guest) { return guest.user; });
  runtime.function("models", +[](Guest& guest) { return guest.services.engine->models(); });
  runtime.function("launch", +launch);
  runtime.method("pollable", +[](Guest&, Child& self) { return self.state->ready; });
  runtime.method(
      "get", +[](Guest&, Child& self) {
        std::lock_guard lock(self.state->mutex);
        return self.state->result;
      });
  runtime.method("pid", +[](Guest&, Child& self) { return self.process->id(); });
  runtime.method("cancel", +[](Guest&, Child& self) { self.process->cancel(); });
}

}  // namespace hearth::inferlet
