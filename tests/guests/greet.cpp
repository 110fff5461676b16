// Returns its input, prints to both streams: the smallest guest that shows each way out.
#include <cstdio>
#include <hearth/inferlet.hpp>

hearth::Result<std::string> run(std::string_view input) {
  std::printf("out: %s\n", hearth::runtime::username().c_str());
  std::fprintf(stderr, "err: %s\n", hearth::runtime::version().c_str());
  return std::string(input);
}

HEARTH_INFERLET(run)
