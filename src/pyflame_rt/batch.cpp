#include <fmt/format.h>

#include <algorithm>

#include "pyflame_rt/core/session.hpp"
#include "pyflame_rt/stacking.h"

namespace pyflame_rt {

namespace {

const Tensor& sample_of(const Feeds& feeds, const std::string& name, size_t index) {
  const auto at = std::find_if(feeds.begin(), feeds.end(), [&](const auto& feed) { return feed.first == name; });
  if (at == feeds.end())
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("[batch] feeds {} lack the input '{}' that feeds 0 have", index, name));
  return at->second.tensor();
}

}  // namespace

std::vector<std::vector<Value>> InferenceSession::run_batch(const std::vector<Feeds>& feeds, size_t max_batch_size,
                                                            const std::vector<std::string>& outputs,
                                                            const RunOptions& options) {
  if (max_batch_size == 0) throw Error(ErrorCode::InvalidArgument, "[batch] max_batch_size; got 0, need at least 1");
  std::vector<std::string> names = outputs;
  if (names.empty())
    for (const PortInfo& port : this->outputs()) names.push_back(port.name);
  const auto start = std::chrono::steady_clock::now();
  RunOptions group = options;
  std::vector<std::vector<Value>> results;
  for (size_t begin = 0; begin < feeds.size(); begin += max_batch_size) {
    const size_t end = std::min(feeds.size(), begin + max_batch_size);
    Feeds stacked;
    std::vector<int64_t> sizes;
    for (const auto& [name, value] : feeds[begin]) {
      std::vector<const Tensor*> parts;
      sizes.clear();
      for (size_t i = begin; i < end; ++i) {
        const Tensor& sample = sample_of(feeds[i], name, i);
        parts.push_back(&sample);
        sizes.push_back(sample.shape().empty() ? 0 : sample.shape()[0]);
      }
      stacked.emplace_back(name, stack(parts, name));
    }
    if (options.timeout) {
      const auto gone = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
      group.timeout = std::max(*options.timeout - gone, std::chrono::milliseconds(0));
    }
    const auto made = run(stacked, names, group);
    const size_t at = results.size();
    results.resize(at + (end - begin));
    for (size_t j = 0; j < made.size(); ++j) {
      auto parts = unstack(made[j].tensor(), sizes, names[j]);
      for (size_t i = 0; i < parts.size(); ++i) results[at + i].push_back(std::move(parts[i]));
    }
  }
  return results;
}

}  // namespace pyflame_rt
