// What a stream is connected to, and words coloured for it. Colours only on a terminal, never when NO_COLOR is set.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace hearth::cli {

enum class Colour { Plain, Bold, Dim, Red, Green, Yellow };

struct Terminal {
  bool interactive = false;  // a person may be looking
  bool colour = false;
  int columns = 80;

  static Terminal of(std::FILE* stream);
  std::string paint(Colour colour, std::string_view text) const;
};

}  // namespace hearth::cli
