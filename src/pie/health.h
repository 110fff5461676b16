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
Finding examine_cpu();  // the processor alone

}  // namespace hearth::pie
