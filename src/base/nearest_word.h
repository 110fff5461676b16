// "did you mean": the known word closest to a misspelt one.
#pragma once

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hearth {

// Edits (insert, delete, replace, swap neighbours) from one word to the other; letter case and '-' against '_' cost
// nothing.
inline size_t edit_distance(std::string_view a, std::string_view b) {
  const auto fold = [](char c) {
    return c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  };
  std::vector<size_t> before(b.size() + 1), row(b.size() + 1), next(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = fold(a[i - 1]) == fold(b[j - 1]);
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]))
        next[j] = std::min(next[j], before[j - 2] + 1);
    }
    before = std::exchange(row, next);
  }
  return row[b.size()];
}

// Nothing when even the closest differs in more than a third of its letters (but two edits are always near enough for
// words of four letters or more). Words longer than 64 bytes are not worth guessing.
template <class Words>
std::optional<std::string> nearest_word(std::string_view word, const Words& known) {
  if (word.empty() || word.size() > 64) return std::nullopt;
  std::optional<std::string> best;
  size_t best_distance = SIZE_MAX;
  for (const std::string_view candidate : known) {
    const size_t distance = edit_distance(word, candidate);
    const size_t allowed = candidate.size() < 4 ? 1 : std::max<size_t>(2, candidate.size() / 3);
    if (distance <= allowed && distance < best_distance) {
      best = std::string(candidate);
      best_distance = distance;
    }
  }
  return best;
}

// `; did you mean "x"?` or nothing.
template <class Words>
std::string suggestion(std::string_view word, const Words& known) {
  const auto best = nearest_word(word, known);
  return best ? "; did you mean \"" + *best + "\"?" : std::string();
}

}  // namespace hearth
