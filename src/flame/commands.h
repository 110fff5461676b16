// What each subcommand of `flame` does. Results go to stdout, everything else to stderr.
#pragma once

#include <stop_token>
#include <string>

#include "flame/feeds.h"

namespace hearth::flame {

struct ModelWords {
  std::string model;
  int level = 3;
  int threads = 0;
  int64_t memory_limit_mb = 0;
  std::vector<std::string> disabled_passes;
  std::string precision = "f32";  // or "bf16"
  std::string cache_dir;          // "": none
  bool json = false;
  bool keep_weights = false;  // no option: for what writes the model
};
struct RunWords {
  ModelWords model;
  FeedWords feeds;
  std::string output;   // folder for .npy files of the outputs
  std::string profile;  // Chrome trace
  double timeout = 0;   // seconds; 0: none
};
struct BenchWords {
  ModelWords model;
  FeedWords feeds;
  int64_t warmup = 10, runs = 100;
  int64_t nodes = 0;  // how many of the slowest nodes are shown
};

struct ConvertWords {
  std::string model, output;  // formats by the names' ends
  int level = 0;              // 0: as the file has it
  bool external = false;      // weights of an .onnx beside it
};

Result<> run(const RunWords& words, std::stop_token stop);
Result<> inspect(const ModelWords& words, bool text);
// `open_size`: what a size that the model leaves open counts as in the memory plan.
Result<> explain(const ModelWords& words, int64_t open_size);
Result<> convert(const ConvertWords& words);
Result<> bench(const BenchWords& words, std::stop_token stop);

Result<std::unique_ptr<runtime::Session>> open_session(const ModelWords& words);

}  // namespace hearth::flame
