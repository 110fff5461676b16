#include "pyflame_rt/core/benchmark.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "pyflame_rt/stacking.h"

namespace pyflame_rt {

namespace {

using Clock = std::chrono::steady_clock;

double percentile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

Feeds repeated(const Feeds& feeds, size_t times) {
  if (times <= 1) return feeds;
  Feeds made;
  for (const auto& [name, value] : feeds)
    made.emplace_back(name, stack(std::vector<const Tensor*>(times, &value.tensor()), name));
  return made;
}

double resident_mb() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  long pages = 0, resident = 0;
  const int read = std::fscanf(file, "%ld %ld", &pages, &resident);
  std::fclose(file);
  return read == 2 ? static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20) : 0;
}

}  // namespace

LatencyResult Benchmark::measure_latency(const Feeds& feeds, size_t warmup_runs, size_t benchmark_runs) {
  if (benchmark_runs == 0)
    throw Error(ErrorCode::InvalidArgument, "[Benchmark] benchmark_runs; got 0, need at least 1");
  for (size_t i = 0; i < warmup_runs; ++i) session_.run(feeds);
  std::vector<double> times;
  times.reserve(benchmark_runs);
  for (size_t i = 0; i < benchmark_runs; ++i) {
    const auto begin = Clock::now();
    session_.run(feeds);
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  LatencyResult result;
  result.runs = times.size();
  result.mean_ms = std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
  double squares = 0;
  for (const double time : times) squares += (time - result.mean_ms) * (time - result.mean_ms);
  result.stddev_ms = times.size() > 1 ? std::sqrt(squares / static_cast<double>(times.size() - 1)) : 0;
  result.min_ms = times.front();
  result.max_ms = times.back();
  result.p50_ms = percentile(times, 0.50);
  result.p90_ms = percentile(times, 0.90);
  result.p95_ms = percentile(times, 0.95);
  result.p99_ms = percentile(times, 0.99);
  return result;
}

ThroughputResult Benchmark::measure_throughput(const Feeds& feeds, double duration_seconds, size_t batch_size) {
  if (!(duration_seconds > 0))
    throw Error(ErrorCode::InvalidArgument, "[Benchmark] duration_seconds; need more than 0");
  if (batch_size == 0) throw Error(ErrorCode::InvalidArgument, "[Benchmark] batch_size; got 0, need at least 1");
  const Feeds batch = repeated(feeds, batch_size);
  session_.run(batch);
  ThroughputResult result;
  size_t batches = 0;
  const auto begin = Clock::now();
  do {
    session_.run(batch);
    ++batches;
    result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  } while (result.seconds < duration_seconds);
  result.samples = batches * batch_size;
  result.batches_per_second = static_cast<double>(batches) / result.seconds;
  result.samples_per_second = static_cast<double>(result.samples) / result.seconds;
  return result;
}

MemoryResult Benchmark::profile_memory() {
  const MemoryInfo memory = session_.memory();
  constexpr double kMb = 1 << 20;
  return {static_cast<double>(memory.peak) / kMb, static_cast<double>(memory.in_use) / kMb, resident_mb()};
}

}  // namespace pyflame_rt
