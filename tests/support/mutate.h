// Small damage to a text, for tests that try thousands: what is left is often still well formed.
#pragma once

#include <algorithm>
#include <random>
#include <span>
#include <string>
#include <string_view>

namespace hearth {

// Up to three changes: a byte set or a bit of it flipped, a piece taken out, doubled or repeated, one of `words` put in
// or put over what stands there, the end cut off.
inline std::string mutate(std::string text, std::span<const std::string_view> words, std::mt19937& random) {
  const auto below = [&](size_t limit) { return limit == 0 ? 0 : size_t(random()) % limit; };
  for (size_t changes = 1 + below(3); changes > 0; --changes) {
    const size_t at = below(text.size() + 1), length = std::min(text.size() - at, 1 + below(24));
    switch (below(8)) {
      case 0:
        if (at < text.size()) text[at] = char(random());
        break;
      case 1:
        if (at < text.size()) text[at] = char(text[at] ^ (1 << below(8)));
        break;
      case 2:
        text.erase(at, length);
        break;
      case 3:
        text.insert(at, text.substr(below(text.size() + 1), length));
        break;
      case 4: {
        const std::string piece = text.substr(at, length);
        for (size_t copies = below(200); copies > 0; --copies) text.insert(at, piece);
        break;
      }
      case 5:
        text.insert(at, words[below(words.size())]);
        break;
      case 6:
        text.replace(at, length, words[below(words.size())]);
        break;
      default:
        if (below(4) == 0) text.resize(at);
    }
  }
  return text;
}

}  // namespace hearth
