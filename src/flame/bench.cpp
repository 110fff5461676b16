#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/quantity.h"
#include "flame/commands.h"

namespace hearth::flame {

namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

double percentile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1) + 0.5)];
}

}  // namespace

Result<> bench(const BenchWords& words, std::stop_token stop) {
  const auto load = Clock::now();
  ASSIGN_OR_RETURN(const auto session, open_session(words.model));
  const double load_ms = ms_since(load);
  ASSIGN_OR_RETURN(const auto feeds, make_feeds(*session, words.feeds));
  std::atomic<bool> cancelled{false};
  const std::stop_callback on_stop(stop, [&] { cancelled = true; });
  const runtime::RunOptions options{.cancelled = &cancelled};
  for (int64_t i = 0; i < words.warmup; ++i) {
    auto warm = session->run(feeds, {}, options);
    if (!warm) return std::unexpected(warm.error());
  }
  std::vector<double> times;
  for (int64_t i = 0; i < words.runs; ++i) {
    const auto begin = Clock::now();
    auto made = session->run(feeds, {}, options);
    if (!made) return std::unexpected(made.error());
    times.push_back(ms_since(begin));
  }
  std::ranges::sort(times);
  const auto memory = session->memory();
  double sum = 0;
  for (const double time : times) sum += time;
  const double mean = sum / static_cast<double>(times.size());
  if (words.model.json) {
    const nlohmann::json made{{"load_ms", load_ms},
                              {"runs", times.size()},
                              {"mean_ms", mean},
                              {"min_ms", times.front()},
                              {"p50_ms", percentile(times, 0.5)},
                              {"p90_ms", percentile(times, 0.9)},
                              {"p99_ms", percentile(times, 0.99)},
                              {"max_ms", times.back()},
                              {"runs_per_second", 1e3 / mean},
                              {"peak_tensor_bytes", memory.peak}};
    fmt::print("{}\n", made.dump(2));
    return {};
  }
  fmt::print("load     {:.1f} ms\n", load_ms);
  fmt::print("runs     {} after {} to warm up\n", times.size(), words.warmup);
  fmt::print("latency  p50 {:.3f} ms, p90 {:.3f}, p99 {:.3f}, min {:.3f}, max {:.3f}, mean {:.3f}\n",
             percentile(times, 0.5), percentile(times, 0.9), percentile(times, 0.99), times.front(), times.back(),
             mean);
  fmt::print("rate     {:.1f} runs/s\n", 1e3 / mean);
  fmt::print("memory   {} of tensors at most\n", cli::bytes_text(memory.peak));
  return {};
}

}  // namespace hearth::flame
