// Looks at this machine with the eyes of `pie run`: what is there, what is missing, and how to mend it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace hearth::pie {

struct Finding {
  enum class State { Good, Missing, Bad };  // Missing: something optional is not there. Bad: `pie run` fails
  State state = State::Good;
  std::string topic;   // "cpu"
  std::string detail;  // one line
  std::string fix;     // what to do about it; empty when Good
};

// `config`: the file to check; empty: the default one.
std::vector<Finding> examine(const std::filesystem::path& config);

// Instruction sets that the CPU kernels can use, best first, and for the next better one what the processor lacks.
struct CpuFeatures {
  std::string name;                  // the processor's
  std::string best;                  // portable, avx2, avx512
  std::vector<std::string> present;  // of the features that any level asks for
  std::vector<std::string> missing;  // for the level above `best`; empty at the top
  std::string next;                  // that level
  int cores = 0;                     // that this process may use
};
CpuFeatures cpu_features(const std::string& cpuinfo, int cores);  // of the text of /proc/cpuinfo

}  // namespace hearth::pie
