// Waits for a message on a topic that nobody writes to.
#include <hearth/inferlet.hpp>

hearth::Result<std::string> run(std::string_view) {
  return hearth::messaging::pull("nobody writes here").wait().value_or("nothing came");
}

HEARTH_INFERLET(run)
