#include "cli/question.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

namespace hearth::cli {

bool ask_yes_no(std::string_view question, bool by_default, bool otherwise) {
  if (::isatty(0) != 1 || ::isatty(2) != 1) return otherwise;
  for (;;) {
    fmt::print(stderr, "{} [{}] ", question, by_default ? "Y/n" : "y/N");
    std::fflush(stderr);
    std::string line;
    if (!std::getline(std::cin, line)) return false;
    if (line.empty()) return by_default;
    if (line == "y" || line == "Y" || line == "yes") return true;
    if (line == "n" || line == "N" || line == "no") return false;
  }
}

}  // namespace hearth::cli
