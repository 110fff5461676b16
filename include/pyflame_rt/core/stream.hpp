// A model run over a long signal, chunk by chunk. C++17.
#pragma once

#include <map>
#include <memory>

#include "pyflame_rt/core/session.hpp"

namespace pyflame_rt {

struct StreamOptions {
  int64_t chunk_size = 0;  // samples a run sees, the overlap included; 0: whatever process() is given, at once
  int64_t overlap = 0;     // samples of the end of a chunk that the next one begins with
  bool stateful = true;    // outputs that are states go into the next run's inputs
  std::string input;       // the signal's input; "": the only input that is no state
  int axis = -1;           // the dimension of that input along which the signal runs
  // State output → state input. Empty: found by name and type ("stateN" → "state", "h_out" → "h_in", "present.x" →
  // "past.x").
  std::map<std::string, std::string> states;
  // Inputs that stay the same for every chunk (a sample rate).
  Feeds constants;
};

// Not thread-safe: one signal, one thread at a time. The session outlives it.
class Stream {
 public:
  Stream(InferenceSession& session, const StreamOptions& options);
  ~Stream();
  Stream(Stream&&) noexcept;

  // Adds samples (the signal's type, any number along `axis`, the other sizes as the model has them, rank 1 allowed)
  // and runs every chunk that is full. One result per chunk, each with the outputs that are no states, by name.
  // `options` is for each chunk. A run that fails leaves its samples where they were: reset() begins anew.
  std::vector<std::map<std::string, Value>> process(const Tensor& samples, const RunOptions& options = {});
  // Runs what is left, padded with zeros to a chunk; nothing when nothing is left.
  std::vector<std::map<std::string, Value>> flush(const RunOptions& options = {});
  void reset();                                              // states to zero, buffered samples dropped
  const std::string& input() const;                          // the signal's
  const std::map<std::string, std::string>& states() const;  // as they are carried

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pyflame_rt
