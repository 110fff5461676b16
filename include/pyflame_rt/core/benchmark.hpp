// Latency, throughput and memory of a session. C++17.
#pragma once

#include <functional>

#include "pyflame_rt/core/session.hpp"

namespace pyflame_rt {

struct LatencyResult {
  double mean_ms = 0, min_ms = 0, p50_ms = 0, p90_ms = 0, p95_ms = 0, p99_ms = 0, max_ms = 0, stddev_ms = 0;
  size_t runs = 0;
};
struct ThroughputResult {
  double samples_per_second = 0, batches_per_second = 0, seconds = 0;
  size_t samples = 0;
};
struct MemoryResult {
  double peak_mb = 0;  // of the session's tensors
  double in_use_mb = 0;
  double process_mb = 0;  // resident memory of the whole process
};

// Keeps a reference: the session outlives it. Percentiles are of single runs, linearly interpolated.
class Benchmark {
 public:
  explicit Benchmark(InferenceSession& session) : session_(session) {}

  LatencyResult measure_latency(const Feeds& feeds, size_t warmup_runs = 10, size_t benchmark_runs = 100);
  // Runs for at least `duration_seconds`. batch_size > 1 stacks that many copies of the feeds' samples along dimension
  // 0.
  ThroughputResult measure_throughput(const Feeds& feeds, double duration_seconds = 10, size_t batch_size = 1);
  MemoryResult profile_memory();

 private:
  InferenceSession& session_;
};

}  // namespace pyflame_rt
