// What waiting guests cost: starts N guests that wait for a message, measures memory and CPU, wakes them all.
// `guest_bench --program echo.wasm [--guests 1000] [--json]`
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "base/file.h"
#include "inferlet/runtime.h"

namespace {

using namespace hearth;
using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

double resident_mb() {
  const auto text = read_file("/proc/self/statm");
  long total = 0, resident = 0;
  if (!text || std::sscanf(text->c_str(), "%ld %ld", &total, &resident) != 2) return 0;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

double cpu_ms() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto ms = [](timeval t) { return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3; };
  return ms(used.ru_utime) + ms(used.ru_stime);
}

struct Figures {
  double start_ms, guests_mb, idle_cpu_ms_per_s, wake_ms;
};

Result<Figures> measure(const std::string& program_path, int guests) {
  engine::Engine engine({});
  inferlet::RuntimeOptions options;
  options.max_instances = static_cast<uint32_t>(guests);
  ASSIGN_OR_RETURN(auto runtime, inferlet::Runtime::create(options, engine, {}));
  ASSIGN_OR_RETURN(auto program, runtime->load(program_path));

  std::mutex mutex;
  std::condition_variable changed;
  int ready = 0, ended = 0, failed = 0;
  const double before = resident_mb();
  const auto start = Clock::now();
  std::vector<std::unique_ptr<inferlet::Process>> processes;
  for (int i = 0; i < guests; ++i) {
    inferlet::ProcessEvents events;
    events.on_message = [&](std::string_view) {
      std::lock_guard lock(mutex);
      ++ready;
      changed.notify_all();
    };
    events.on_exit = [&](Result<std::string> result) {
      std::lock_guard lock(mutex);
      ++ended;
      failed += result ? 0 : 1;
      changed.notify_all();
    };
    ASSIGN_OR_RETURN(auto process, runtime->launch(program, "{}", {}, "bench", std::move(events)));
    process->send("are you there");  // its echo shows that the guest runs; after it, it waits
    processes.push_back(std::move(process));
  }
  std::unique_lock lock(mutex);
  if (!changed.wait_for(lock, std::chrono::seconds(60), [&] { return ready == guests || ended > 0; }) || ended > 0)
    return fail(ErrorKind::Internal, "[guest_bench] {} of {} guests started, {} ended", ready, guests, ended);
  const double start_ms = milliseconds(Clock::now() - start);
  lock.unlock();

  const double cpu = cpu_ms();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const double idle = cpu_ms() - cpu, waiting = resident_mb();
  const auto wake = Clock::now();
  for (auto& process : processes) process->send("end");
  lock.lock();
  if (!changed.wait_for(lock, std::chrono::seconds(60), [&] { return ended == guests; }) || failed > 0)
    return fail(ErrorKind::Internal, "[guest_bench] {} of {} guests ended, {} of them with an error", ended, guests,
                failed);
  return Figures{start_ms, waiting - before, idle, milliseconds(Clock::now() - wake)};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"What waiting guests cost"};
  std::string program = HEARTH_BINARY_DIR "/tests/guests/echo.wasm";
  int guests = 1000;
  bool json = false;
  app.add_option("--program", program, "a guest that echoes messages until \"end\"")->capture_default_str();
  app.add_option("--guests", guests, "how many")->check(CLI::Range(1, 100000))->capture_default_str();
  app.add_flag("--json", json, "one JSON object");
  CLI11_PARSE(app, argc, argv);
  const auto figures = measure(program, guests);
  if (!figures) {
    std::fprintf(stderr, "%s\n", figures.error().message.c_str());
    return 1;
  }
  const auto& f = *figures;
  if (json) {
    fmt::print(
        "{{\"guests\": {}, \"start_ms\": {:.1f}, \"guests_mb\": {:.1f}, \"idle_cpu_ms_per_s\": {:.2f}, \"wake_ms\": "
        "{:.1f}}}\n",
        guests, f.start_ms, f.guests_mb, f.idle_cpu_ms_per_s, f.wake_ms);
  } else {
    fmt::print(
        "{} guests: all waiting after {:.1f} ms, {:.1f} MB over the idle engine, {:.2f} ms CPU a second while they "
        "wait, "
        "woken and ended in {:.1f} ms\n",
        guests, f.start_ms, f.guests_mb, f.idle_cpu_ms_per_s, f.wake_ms);
  }
  return 0;
}
