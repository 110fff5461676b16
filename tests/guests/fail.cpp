// Returns the error that it is told to return.
#include <hearth/inferlet.hpp>

hearth::Result<std::string> run(hearth::Arguments& arguments) {
  std::string text = "as asked";
  HEARTH_TRY(arguments.option("text", text, "of the error").done());
  return hearth::fail(text);
}

HEARTH_INFERLET(run)
