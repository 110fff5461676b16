// Computes for ever and never calls the host.
#include <hearth/inferlet.hpp>

hearth::Result<std::string> run(hearth::Arguments&) {
  for (volatile uint32_t i = 0;; i = i + 1) {
  }
}

HEARTH_INFERLET(run)
