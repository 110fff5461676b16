#include "operators/matrix/einsum_equation.h"

#include <algorithm>
#include <array>
#include <string>

namespace hearth::operators {

namespace {

constexpr char kEllipsis = '.';  // stands for all three dots from here on

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// A term without spaces, "..." as one character.
Result<std::string> read_term(const Call& call, std::string_view text) {
  std::string term;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ') continue;
    if (c == '.') {
      if (text.substr(i, 3) != "..." || term.find(kEllipsis) != std::string::npos)
        return call.invalid("equation's term '{}'; dots stand only as one ellipsis '...'", text);
      term += kEllipsis;
      i += 2;
    } else if (is_letter(c)) {
      term += c;
    } else {
      return call.invalid("equation's term '{}'; got the character '{}', need letters or '...'", text, c);
    }
  }
  return term;
}

// Numbers for what occurs in the equation. Dimensions of an ellipsis are counted from the right end.
class Labels {
 public:
  int letter(char c) { return number(letters_[static_cast<size_t>(c)]); }
  bool knows(char c) const { return letters_[static_cast<size_t>(c)] > 0; }
  int ellipsis(int from_right) { return number(ellipsis_[static_cast<size_t>(from_right)]); }
  int ellipsis_rank() const {
    return static_cast<int>(std::ranges::count_if(ellipsis_, [](int label) { return label > 0; }));
  }
  int count() const { return count_; }

 private:
  int number(int& label) {
    if (label <= 0) label = 1 + count_++;
    return label - 1;
  }
  std::array<int, 128> letters_{};               // 1 + label; 0: not seen
  std::array<int, HEARTH_MAX_RANK> ellipsis_{};  // 1 + label
  int count_ = 0;
};

Result<std::vector<int>> label_operand(const Call& call, const std::string& term, const Dims& dims, Labels& labels) {
  const bool open = term.find(kEllipsis) != std::string::npos;
  const int named = static_cast<int>(term.size()) - (open ? 1 : 0), extra = dims.rank() - named;
  if (extra < 0 || (extra > 0 && !open))
    return call.invalid("equation's term with {} letters{}; got an operand of sizes {}", named,
                        open ? " and an ellipsis" : "", to_string(dims));
  std::vector<int> made;
  for (const char c : term) {
    if (c != kEllipsis)
      made.push_back(labels.letter(c));
    else
      for (int i = extra - 1; i >= 0; --i) made.push_back(labels.ellipsis(i));
  }
  return made;
}

// Without "->": the ellipsis, then what occurs once, in alphabetical order.
std::string implicit_result(const std::vector<std::string>& terms) {
  std::array<int, 128> uses{};
  bool open = false;
  for (const std::string& term : terms)
    for (const char c : term) {
      if (c == kEllipsis)
        open = true;
      else
        ++uses[static_cast<size_t>(c)];
    }
  std::string result = open ? std::string(1, kEllipsis) : std::string();
  for (size_t c = 0; c < uses.size(); ++c)
    if (uses[c] == 1) result += static_cast<char>(c);
  return result;
}

}  // namespace

Result<EinsumEquation> read_equation(const Call& call, std::string_view text, const std::vector<Dims>& operands) {
  const size_t arrow = text.find("->");
  const std::string_view left = text.substr(0, arrow);
  std::vector<std::string> terms;
  for (size_t begin = 0; begin <= left.size();) {
    const size_t comma = std::min(left.find(',', begin), left.size());
    ASSIGN_OR_RETURN(auto term, read_term(call, left.substr(begin, comma - begin)));
    terms.push_back(std::move(term));
    begin = comma + 1;
  }
  if (terms.size() != operands.size())
    return call.invalid("equation '{}'; got {} terms for {} operands", text, terms.size(), operands.size());

  EinsumEquation equation;
  Labels labels;
  for (size_t i = 0; i < terms.size(); ++i) {
    ASSIGN_OR_RETURN(auto made, label_operand(call, terms[i], operands[i], labels));
    equation.operands.push_back(std::move(made));
  }
  equation.sizes.assign(static_cast<size_t>(labels.count()), 1);
  for (size_t i = 0; i < operands.size(); ++i)
    for (size_t axis = 0; axis < operands[i].size(); ++axis) {
      int64_t& size = equation.sizes[static_cast<size_t>(equation.operands[i][axis])];
      const int64_t here = operands[i][axis];
      if (here != size && here != 1 && size != 1)
        return call.invalid("equation '{}'; one index has sizes {} and {}", text, size, here);
      if (size == 1) size = here;
    }

  std::string result;
  if (arrow == std::string_view::npos) {
    result = implicit_result(terms);
  } else {
    ASSIGN_OR_RETURN(result, read_term(call, text.substr(arrow + 2)));
  }
  for (size_t i = 0; i < result.size(); ++i) {
    if (result[i] == kEllipsis) {
      for (int axis = labels.ellipsis_rank() - 1; axis >= 0; --axis) equation.result.push_back(labels.ellipsis(axis));
      continue;
    }
    if (!labels.knows(result[i]) || result.find(result[i], i + 1) != std::string::npos)
      return call.invalid("equation '{}'; the result's index '{}' needs to occur on the left, and once on the right",
                          text, result[i]);
    equation.result.push_back(labels.letter(result[i]));
  }
  if (!Dims::fits(equation.result.size()))
    return call.unsupported("equation '{}'; got a result of {} dimensions, need at most {}", text,
                            equation.result.size(), HEARTH_MAX_RANK);
  return equation;
}

}  // namespace hearth::operators
