#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/quantity.h"
#include "cli/table.h"
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

struct NodeTime {
  std::string label;
  double ms;     // median over the runs
  double share;  // of all nodes' time
};

// Runs once more as often, measuring every node; the slowest first.
Result<std::vector<NodeTime>> time_nodes(runtime::Session& session, std::span<const runtime::Feed> feeds,
                                         const BenchWords& words, runtime::RunOptions options) {
  std::vector<std::vector<double>> times(session.program().steps.size());
  const auto* first = session.program().steps.data();
  for (int64_t i = 0; i < words.runs; ++i) {
    std::vector<runtime::OpTiming> timings;
    options.timings = &timings;
    auto made = session.run(feeds, {}, options);
    if (!made) return std::unexpected(made.error());
    for (const auto& timing : timings) {  // nodes of subgraphs are part of the node that runs them
      const auto at = timing.step - first;
      if (at >= 0 && at < std::ssize(times))
        times[static_cast<size_t>(at)].push_back(
            std::chrono::duration<double, std::milli>(timing.end - timing.begin).count());
    }
  }
  std::vector<NodeTime> nodes;
  double sum = 0;
  for (size_t i = 0; i < times.size(); ++i) {
    if (times[i].empty()) continue;
    std::ranges::sort(times[i]);
    nodes.push_back({first[i].label, percentile(times[i], 0.5), 0});
    sum += nodes.back().ms;
  }
  for (NodeTime& node : nodes) node.share = sum > 0 ? node.ms / sum : 0;
  std::ranges::stable_sort(nodes, std::greater<>(), &NodeTime::ms);
  return nodes;
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
  std::vector<NodeTime> nodes;
  if (words.nodes > 0) {
    ASSIGN_OR_RETURN(nodes, time_nodes(*session, feeds, words, options));
  }
  const auto memory = session->memory();
  double sum = 0;
  for (const double time : times) sum += time;
  const double mean = sum / static_cast<double>(times.size());
  if (words.model.json) {
    nlohmann::json made{{"load_ms", load_ms},
                        {"runs", times.size()},
                        {"mean_ms", mean},
                        {"min_ms", times.front()},
                        {"p50_ms", percentile(times, 0.5)},
                        {"p90_ms", percentile(times, 0.9)},
                        {"p99_ms", percentile(times, 0.99)},
                        {"max_ms", times.back()},
                        {"runs_per_second", 1e3 / mean},
                        {"peak_tensor_bytes", memory.peak},
                        {"kept_tensor_bytes", memory.kept}};
    for (const NodeTime& node : nodes)
      made["nodes"].push_back({{"node", node.label}, {"p50_ms", node.ms}, {"share", node.share}});
    fmt::print("{}\n", made.dump(2));
    return {};
  }
  fmt::print("load     {:.1f} ms\n", load_ms);
  fmt::print("runs     {} after {} to warm up\n", times.size(), words.warmup);
  fmt::print("latency  p50 {:.3f} ms, p90 {:.3f}, p99 {:.3f}, min {:.3f}, max {:.3f}, mean {:.3f}\n",
             percentile(times, 0.5), percentile(times, 0.9), percentile(times, 0.99), times.front(), times.back(),
             mean);
  fmt::print("rate     {:.1f} runs/s\n", 1e3 / mean);
  fmt::print("memory   {} of tensors at most, {} kept for the next run\n", cli::bytes_text(memory.peak),
             cli::bytes_text(memory.kept));
  if (nodes.empty()) return {};
  std::vector<cli::Row> rows;
  for (const NodeTime& node : nodes) {
    if (std::ssize(rows) == words.nodes) break;
    rows.push_back({node.label, fmt::format("{:.3f}", node.ms), fmt::format("{:.1f}", node.share * 100)});
  }
  fmt::print("\n{}", cli::table({"node", "ms", "%"}, rows));
  return {};
}

}  // namespace hearth::flame
