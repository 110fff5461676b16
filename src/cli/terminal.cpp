#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/environment.h"

namespace hearth::cli {

Terminal Terminal::of(std::FILE* stream) {
  Terminal terminal;
  terminal.interactive = ::isatty(::fileno(stream)) == 1;
  terminal.colour = terminal.interactive && !environment("NO_COLOR") && environment("TERM").value_or("") != "dumb";
  winsize size{};
  if (terminal.interactive && ::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    terminal.columns = size.ws_col;
  return terminal;
}

std::string Terminal::paint(Colour which, std::string_view text) const {
  if (!colour || which == Colour::Plain) return std::string(text);
  const char* code = which == Colour::Bold    ? "1"
                     : which == Colour::Dim   ? "2"
                     : which == Colour::Red   ? "31"
                     : which == Colour::Green ? "32"
                                              : "33";
  return std::string("\033[") + code + "m" + std::string(text) + "\033[0m";
}

}  // namespace hearth::cli
