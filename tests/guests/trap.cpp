// Traps after it has printed something.
#include <cstdlib>
#include <hearth/inferlet.hpp>

hearth::Result<std::string> run(hearth::Arguments&) {
  hearth::print("before the trap\n");
  std::abort();
}

HEARTH_INFERLET(run)
