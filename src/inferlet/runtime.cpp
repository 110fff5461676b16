#include "inferlet/runtime.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <utility>

#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "inferlet/host/guest.h"
#include "inferlet/wasm/engine.h"

namespace hearth::inferlet {
namespace {

constexpr size_t kMaxProgramBytes = size_t{256} << 20;
constexpr size_t kMaxProcesses = 20'000;              // running and waiting for a place
constexpr size_t kMaxInboxBytes = size_t{256} << 20;  // of one process: messages and files that its guest has not taken
constexpr size_t kMaxInputBytes = size_t{64} << 20;

class ProgramImpl final : public Program {
 public:
  explicit ProgramImpl(WasmProgram program) : program_(std::move(program)) {
    hearth_wasm_bytes name = hearth_wasm_program_name(program_.get());
    name_ = {reinterpret_cast<const char*>(name.data), name.size};
  }
  std::string_view name() const override { return name_; }
  const hearth_wasm_program* get() const { return program_.get(); }

 private:
  WasmProgram program_;
  std::string_view name_;
};

// 122 random bits in the form of a version 4 UUID.
std::string new_process_id() {
  std::random_device random;
  uint32_t a = random(), b = random(), c = random(), d = random();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{:08x}", a, b >> 16, b & 0xfff, 0x8000 | (c & 0x3fff), c >> 16,
                     d);
}

class RuntimeImpl;

// One guest from launch to on_exit. Shared: the table of the runtime holds it while it runs, handles as long as they
// like.
struct Running : Guest {
  using Guest::Guest;
  ~Running() { hearth_wasm_guest_delete(fiber); }
  Running(const Running&) = delete;

  void cancel(std::optional<Error> reason = std::nullopt) {
    std::lock_guard lock(mutex);
    if (reason && !stop_reason) stop_reason = std::move(reason);
    cancelled = true;
    if (fiber != nullptr) hearth_wasm_cancel(fiber);
  }

  Result<std::string> result_of(const hearth_wasm_failure& failure) {
    if (failure.kind == HEARTH_WASM_OK) return std::string(failure.text, failure.text_size);
    if (failure.kind == HEARTH_WASM_EXIT && failure.status == 0)
      return std::string();  // exit(0): over, with nothing to say
    std::lock_guard lock(mutex);
    if (failure.kind == HEARTH_WASM_CANCELLED && stop_reason) return std::unexpected(*stop_reason);
    return std::unexpected(to_error(failure));
  }

  RuntimeImpl* runtime = nullptr;
  std::mutex mutex;
  hearth_wasm_guest* fiber = nullptr;  // set by launch() after the start
  bool cancelled = false;
  std::optional<Error> stop_reason;  // what on_exit says instead of «cancelled»
};

class ProcessImpl final : public Process {
 public:
  explicit ProcessImpl(std::shared_ptr<Running> running) : running_(std::move(running)) {}
  const std::string& id() const override { return running_->id; }
  void send(std::string message) override { put(*running_->messages, std::move(message)); }
  void send_file(std::string bytes) override { put(*running_->files, std::move(bytes)); }
  void close_input() override {
    running_->messages->close();
    running_->files->close();
  }
  void cancel() override { running_->cancel(); }

 private:
  void put(Mailbox& box, std::string text) {
    if (box.bytes() + text.size() > kMaxInboxBytes) {
      auto error = fail(ErrorKind::Limit, "[process] inbox; got {} bytes that the guest did not take, need at most {}",
                        box.bytes() + text.size(), kMaxInboxBytes);
      return running_->cancel(std::move(error).error());
    }
    box.put(std::move(text));
  }
  std::shared_ptr<Running> running_;
};

class RuntimeImpl final : public Runtime {
 public:
  RuntimeImpl(RuntimeOptions options, engine::Engine& engine, std::vector<ModelServices> models)
      : options_(std::move(options)), models_(std::move(models)) {
    services_.engine = &engine;
    services_.models = &models_;
    services_.messaging = &messaging_;
    services_.latency = std::make_shared<PassLatency>(models_.size());
    services_.load_program = [this](std::string_view name) -> Result<std::shared_ptr<Program>> {
      if (!options_.resolve_program)
        return fail(ErrorKind::NotFound, "[runtime] program {}; no programs are known here", name);
      ASSIGN_OR_RETURN(std::filesystem::path path, options_.resolve_program(name));
      return load(path);
    };
    services_.launch = [this](std::shared_ptr<Program> program, std::string input, std::string user,
                              ProcessEvents events) {
      return launch(std::move(program), std::move(input), {}, std::move(user), std::move(events));
    };
    services_.run_aside = [this](std::function<void()> work) { run_aside(std::move(work)); };
  }

  ~RuntimeImpl() override {
    std::unique_lock lock(mutex_);
    closing_ = true;
    std::vector<std::shared_ptr<Running>> all;
    for (auto& [id, running] : processes_) all.push_back(running);
    lock.unlock();
    for (auto& running : all) running->cancel();
    all.clear();
    lock.lock();
    empty_.wait(lock, [this] { return processes_.empty() && asides_ == 0; });
  }

  Result<> open() {
    WasmOptions wasm{.worker_threads = static_cast<uint32_t>(std::max(0, options_.worker_threads)),
                     .max_instances = options_.max_instances,
                     .preempt_ms = options_.preempt_ms,
                     .memory_bytes = options_.memory_bytes,
                     .code_cache = options_.code_cache};
    ASSIGN_OR_RETURN(wasm_, WasmEngine::create(wasm, bind_world));
    return {};
  }

  Result<std::shared_ptr<Program>> load(const std::filesystem::path& path) override {
    auto bytes = read_file(path, kMaxProgramBytes);
    if (!bytes) return within("program", std::move(bytes).error());
    std::string digest = sha256_hex(*bytes);
    {
      std::lock_guard lock(mutex_);
      std::erase_if(programs_, [](const auto& entry) { return entry.second.expired(); });
      auto found = programs_.find(digest);
      if (found != programs_.end()) {
        if (auto program = found->second.lock()) return program;
      }
    }
    auto program = wasm_->load(*bytes, digest);
    if (!program) return within(path.filename().string(), std::move(program).error());
    auto shared = std::make_shared<ProgramImpl>(*std::move(program));
    std::lock_guard lock(mutex_);
    programs_[digest] = shared;
    return shared;
  }

  Result<std::unique_ptr<Process>> launch(std::shared_ptr<Program> program, std::string input,
                                          std::vector<std::string> arguments, std::string user,
                                          ProcessEvents events) override {
    const auto* compiled = dynamic_cast<const ProgramImpl*>(program.get());
    if (compiled == nullptr) return fail(ErrorKind::Invalid, "[runtime] program; got none of this runtime's");
    if (input.size() > kMaxInputBytes) {
      return fail(ErrorKind::Limit, "[runtime] input; got {} bytes, need at most {}", input.size(), kMaxInputBytes);
    }
    auto running = std::make_shared<Running>(services_);
    running->id = new_process_id();
    running->user = std::move(user);
    running->events = std::move(events);
    running->runtime = this;
    {
      std::lock_guard lock(mutex_);
      if (closing_) return fail(ErrorKind::Cancelled, "[runtime] is closing");
      if (processes_.size() >= kMaxProcesses) {
        return fail(ErrorKind::Limit, "[runtime] processes; got {}, need at most {}", processes_.size(), kMaxProcesses);
      }
      processes_[running->id] = running;
    }
    auto view = [](std::string_view text) {
      return hearth_wasm_bytes{reinterpret_cast<const uint8_t*>(text.data()), text.size()};
    };
    std::vector<hearth_wasm_bytes> argument_views;
    std::string program_name(compiled->name().empty() ? "inferlet" : compiled->name());
    argument_views.push_back(view(program_name));  // argv[0]
    for (const std::string& argument : arguments) argument_views.push_back(view(argument));
    hearth_wasm_launch start{};
    start.guest = static_cast<BoundGuest*>(running.get());
    start.input = view(input);
    start.arguments = argument_views.data();
    start.argument_count = argument_views.size();
    start.time_ms = options_.time_ms;
    start.output = on_output;
    start.done = on_done;
    {
      std::lock_guard lock(running->mutex);  // cancel() finds the fiber, or leaves word
      running->fiber = hearth_wasm_start(wasm_->get(), compiled->get(), &start);
      if (running->cancelled) hearth_wasm_cancel(running->fiber);
    }
    return std::make_unique<ProcessImpl>(std::move(running));
  }

 private:
  static void on_output(void* guest, int stream, const uint8_t* data, size_t size) noexcept {
    auto& g = *static_cast<Guest*>(static_cast<BoundGuest*>(guest));
    std::lock_guard lock(g.events_mutex);
    auto& sink = stream == 1 ? g.events.on_stdout : g.events.on_stderr;
    if (sink) sink({reinterpret_cast<const char*>(data), size});
  }

  static void on_done(void* guest, const hearth_wasm_failure* failure) noexcept {
    auto& running = *static_cast<Running*>(static_cast<Guest*>(static_cast<BoundGuest*>(guest)));
    running.release();  // before on_exit: who hears of the end finds the pages free
    Result<std::string> result = running.result_of(*failure);
    if (failure->detail_size > 0) {
      log_info("process {}: {}", running.id, std::string_view(failure->detail, failure->detail_size));
    }
    {
      std::lock_guard lock(running.events_mutex);
      if (running.events.on_exit) running.events.on_exit(std::move(result));
    }
    running.runtime->finished(running.id);  // `running` may be gone after this
  }

  void finished(const std::string& id) {
    std::shared_ptr<Running> last;  // goes after the lock: its events may hold much
    std::lock_guard lock(mutex_);
    auto node = processes_.extract(id);
    if (!node.empty()) last = std::move(node.mapped());
    if (processes_.empty()) empty_.notify_all();
  }

  void run_aside(std::function<void()> work) {
    struct Aside {
      RuntimeImpl* runtime;
      std::function<void()> work;
    };
    {
      std::lock_guard lock(mutex_);
      ++asides_;
    }
    auto run = [](void* user) {
      std::unique_ptr<Aside> aside(static_cast<Aside*>(user));
      aside->work();
      std::lock_guard lock(aside->runtime->mutex_);
      if (--aside->runtime->asides_ == 0) aside->runtime->empty_.notify_all();
    };
    hearth_wasm_spawn(wasm_->get(), run, new Aside{this, std::move(work)});
  }

  const RuntimeOptions options_;
  const std::vector<ModelServices> models_;
  Messaging messaging_;
  Services services_{};
  std::mutex mutex_;
  std::condition_variable empty_;
  bool closing_ = false;
  size_t asides_ = 0;
  std::map<std::string, std::shared_ptr<Running>> processes_;
  std::map<std::string, std::weak_ptr<ProgramImpl>> programs_;  // by digest
  std::unique_ptr<WasmEngine> wasm_;                            // last: goes first
};

}  // namespace

Result<std::unique_ptr<Runtime>> Runtime::create(RuntimeOptions options, engine::Engine& engine,
                                                 std::vector<ModelServices> models) {
  auto runtime = std::make_unique<RuntimeImpl>(std::move(options), engine, std::move(models));
  TRY(runtime->open());
  return runtime;
}

}  // namespace hearth::inferlet
