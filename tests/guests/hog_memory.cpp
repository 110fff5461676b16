// Takes memory until it gets no more: 1 MiB at a time, each page touched. The result, if there is one, is how many MiB.
#include <cstdlib>
#include <cstring>
#include <hearth/inferlet.hpp>

hearth::Result<std::string> run(hearth::Arguments&) {
  constexpr size_t kBytes = size_t{1} << 20;
  uint32_t count = 0;
  while (void* block = std::malloc(kBytes)) {
    std::memset(block, 1, kBytes);
    ++count;
  }
  return std::to_string(count);
}

HEARTH_INFERLET(run)
