#include <unistd.h>

#include <cstdio>
#include <functional>
#include <future>
#include <memory>
#include <optional>

#include "base/file.h"
#include "base/log.h"
#include "cli/quantity.h"
#include "cli/terminal.h"
#include "pie/commands/commands.h"
#include "pie/guest_arguments.h"
#include "pie/line_reader.h"
#include "pie/local_service.h"
#include "pie/model_presence.h"
#include "pie/program_log.h"
#include "pie/shipped_inferlets.h"

namespace hearth::pie {
namespace {

using Clock = std::chrono::steady_clock;

// What the guest says, on its way to the terminal. Called on worker threads, one call at a time.
class Output {
 public:
  explicit Output(std::filesystem::path files) : files_(std::move(files)) {}

  // Asked once, when the first words come: how many tokens were computed until then.
  void count_tokens(std::function<uint64_t()> count) { count_tokens_ = std::move(count); }

  void text(std::string_view text) {
    if (text.empty()) return;
    note_first();
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    open_line_ = text.back() != '\n';
  }
  void error(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  }
  void message(std::string_view text) {
    end_line();
    this->text(fmt::format("{}\n", text));
  }
  void file(const std::string& bytes) {
    if (files_.empty()) {
      log_warning("[run] the inferlet sent a file of {}; --files FOLDER keeps it", cli::bytes_text(bytes.size()));
      return;
    }
    const auto path = files_ / fmt::format("{}.bin", ++file_count_);
    if (auto written = write_file(path, bytes); !written) log_error("{}", written.error().message);
  }
  void end_line() {
    if (std::exchange(open_line_, false)) std::fputc('\n', stdout);
  }

  bool anything() const { return first_.has_value(); }
  std::optional<Clock::time_point> first() const { return first_; }
  uint64_t tokens_at_first() const { return tokens_at_first_; }

 private:
  void note_first() {
    if (first_) return;
    first_ = Clock::now();
    if (count_tokens_) tokens_at_first_ = count_tokens_();
  }
  std::filesystem::path files_;
  int file_count_ = 0;
  bool open_line_ = false;
  std::optional<Clock::time_point> first_;
  std::function<uint64_t()> count_tokens_;
  uint64_t tokens_at_first_ = 0;
};

uint64_t tokens_computed(LocalService& service) {
  uint64_t count = 0;
  for (const auto id : service.models()) count += service.engine().stats(id).tokens_computed;
  return count;
}

void print_stats(const RunOptions& options, LocalService& service, const Output& output, Clock::time_point started) {
  const auto ms = [](Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); };
  const auto now = Clock::now();
  fmt::print(stderr, "started in {:.0f} ms", ms(started - options.begin));
  if (const auto first = output.first())
    fmt::print(stderr, ", first output after {:.0f} ms", ms(*first - options.begin));
  fmt::print(stderr, ", {:.0f} ms in all\n", ms(now - options.begin));
  for (const auto id : service.models()) {
    const auto stats = service.engine().stats(id);
    fmt::print(stderr, "{} tokens computed in {} steps, {} taken from earlier pages\n", stats.tokens_computed,
               stats.steps, stats.tokens_from_prefix);
  }
  if (const auto first = output.first(); first && now > *first)
    fmt::print(stderr, "{:.1f} tokens/s after the first output\n",
               static_cast<double>(tokens_computed(service) - output.tokens_at_first()) / (ms(now - *first) / 1000));
}

Result<> run_guest(const RunOptions& options, LocalService& service, Output& output, std::stop_token stop) {
  // Shared with the event, which may still be returning on its thread when the wait below is over.
  const auto ended = std::make_shared<std::promise<Result<std::string>>>();
  auto ending = ended->get_future();
  inferlet::ProcessEvents events{
      .on_stdout = [&](std::string_view text) { output.text(text); },
      .on_stderr = [&](std::string_view text) { output.error(text); },
      .on_message = [&](std::string_view text) { output.message(text); },
      .on_file = [&](std::string bytes) { output.file(bytes); },
      .on_exit = [ended](Result<std::string> result) { ended->set_value(std::move(result)); },
  };
  ASSIGN_OR_RETURN(auto input, guest_arguments(service.program()->name(), options.arguments));
  ASSIGN_OR_RETURN(const auto process, service.runtime().launch(service.program(), std::move(input.json),
                                                                std::move(input.argv), "local", std::move(events)));
  Result<std::string> result;
  {
    std::optional<LineReader> reader;
    if (may_read_stdin())
      reader.emplace(0, [&](std::string line) { process->send(std::move(line)); }, [&] { process->close_input(); });
    else
      process->close_input();
    const std::stop_callback cancel(stop, [&] { process->cancel(); });
    result = ending.get();
  }
  if (!result) {
    output.end_line();
    if (stop.stop_requested()) return fail(ErrorKind::Cancelled, "[run] interrupted");
    return std::unexpected(std::move(result).error());
  }
  if (!result->empty() && (options.result || !output.anything())) output.message(*result);
  if (::isatty(1) == 1) output.end_line();  // the prompt of the shell begins a line
  return {};
}

}  // namespace

Result<> run_inferlet(const RunOptions& options, std::stop_token stop) {
  ASSIGN_OR_RETURN(const auto config, load_config(options.config));
  TRY(open_program_log(config, options.log));
  TRY(check_served(config));
  if (config.path.empty())
    fmt::print(stderr, "no configuration: using the default model {} (`pie config init` writes one)\n", kDefaultSource);
  ServicePlan plan{.config = &config};
  if (options.inferlet_is_path) {
    plan.program = options.inferlet;
  } else {
    ASSIGN_OR_RETURN(plan.program, find_inferlet(options.inferlet));
  }
  for (const auto& model : config.models) {
    ASSIGN_OR_RETURN(auto path, require_model(config, model, stop));
    plan.model_paths.push_back(std::move(path));
  }
  std::optional<trace::Trace> trace;
  if (!options.trace.empty()) plan.trace = &trace.emplace();
  Output output(options.files);
  Result<> done;
  {
    ASSIGN_OR_RETURN(const auto service, LocalService::start(plan));
    const auto started = Clock::now();
    if (stop.stop_requested()) return fail(ErrorKind::Cancelled, "[run] interrupted");
    log_info("[run] {}: started in {} ms", plan.program.string(),
             std::chrono::duration_cast<std::chrono::milliseconds>(started - options.begin).count());
    output.count_tokens([&service] { return tokens_computed(*service); });
    done = run_guest(options, *service, output, stop);
    if (options.stats || config.models.front().enable_profiling) {
      output.end_line();
      std::fflush(stdout);
      print_stats(options, *service, output, started);
    }
  }
  if (trace) TRY(trace->write(options.trace));
  return done;
}

}  // namespace hearth::pie
