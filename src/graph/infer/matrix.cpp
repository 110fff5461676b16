#include <algorithm>
#include <array>
#include <map>

#include "graph/infer/table.h"

namespace hearth::graph::infer {

namespace {

// NumPy's rules: a vector in front is a row, behind a column; what is before the matrices broadcasts.
Result<> matrix_product(InferContext& c, size_t left, size_t right) {
  const Shape *a = c.shape(left), *b = c.shape(right);
  if (a == nullptr || b == nullptr) return {};
  if (a->empty() || b->empty()) return c.invalid("product of scalars; got {}", c.describe_inputs());
  const Dimension& inner_a = a->back();
  const Dimension& inner_b = b->size() == 1 ? b->front() : (*b)[b->size() - 2];
  if (!same_size(inner_a, inner_b))
    return c.invalid("inner sizes {} and {} differ; got {}", inner_a.size, inner_b.size, c.describe_inputs());
  const Shape lead_a(a->begin(), a->end() - std::min<std::ptrdiff_t>(2, std::ssize(*a)));
  const Shape lead_b(b->begin(), b->end() - std::min<std::ptrdiff_t>(2, std::ssize(*b)));
  auto result = broadcast(lead_a, lead_b);
  if (!result) return c.invalid("sizes do not broadcast; got {}", c.describe_inputs());
  if (a->size() > 1) result->push_back((*a)[a->size() - 2]);
  if (b->size() > 1) result->push_back(b->back());
  c.set_shape(0, std::move(*result));
  return {};
}

Result<> mat_mul(InferContext& c) {
  return matrix_product(c, 0, 1);
}
Result<> qlinear_mat_mul(InferContext& c) {
  if (const auto zero = c.dtype(7)) c.set_dtype(0, *zero);
  return matrix_product(c, 0, 3);
}

Result<> gemm(InferContext& c) {
  TRY(c.need_rank(0, 2));
  TRY(c.need_rank(1, 2));
  const Shape *a = c.shape(0), *b = c.shape(1);
  const bool turn_a = c.node().int_or("transA", 0) != 0, turn_b = c.node().int_or("transB", 0) != 0;
  Shape result = unknown_shape(2);
  if (a != nullptr) result[0] = (*a)[turn_a ? 1 : 0];
  if (b != nullptr) result[1] = (*b)[turn_b ? 0 : 1];
  if (a != nullptr && b != nullptr && !same_size((*a)[turn_a ? 0 : 1], (*b)[turn_b ? 1 : 0]))
    return c.invalid("inner sizes differ; got {}", c.describe_inputs());
  if (const Shape* bias = c.shape(2); bias != nullptr && c.opset() >= 7) {
    const auto both = broadcast(result, *bias);
    if (!both || both->size() != 2) return c.invalid("the third input does not broadcast; got {}", c.describe_inputs());
  }
  c.set_shape(0, std::move(result));
  return {};
}

Result<> det(InferContext& c) {
  const Shape* shape = c.shape(0);
  if (shape == nullptr) return {};
  if (shape->size() < 2 || !same_size(shape->back(), (*shape)[shape->size() - 2]))
    return c.invalid("{} holds no square matrices", c.describe(0));
  c.set_shape(0, Shape(shape->begin(), shape->end() - 2));
  return {};
}

// One operand of an equation: letters, and perhaps an ellipsis in front of letter `ellipsis`.
struct Term {
  std::string letters;
  std::optional<size_t> ellipsis;
};

Result<Term> parse_term(const InferContext& c, std::string_view text) {
  Term term;
  for (size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    if (letter == ' ') continue;
    if (letter == '.') {
      if (!text.substr(i).starts_with("...") || term.ellipsis)
        return c.invalid("attribute 'equation'; got '{}' in it", text.substr(i, 4));
      term.ellipsis = term.letters.size();
      i += 2;
    } else if ((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z')) {
      term.letters += letter;
    } else {
      return c.invalid("attribute 'equation'; got byte {} in it, need letters, ',', '->' and '...'",
                       static_cast<unsigned char>(letter));
    }
  }
  return term;
}

class Einsum {
 public:
  explicit Einsum(InferContext& c) : c_(c) {}

  Result<> infer() {
    const std::string_view equation = c_.node().string_or("equation", "");
    const size_t arrow = equation.find("->");
    std::string_view operands = equation.substr(0, arrow);
    size_t count = 0;
    bool ranks_known = true;
    for (bool more = true; more; ++count) {
      const size_t comma = operands.find(',');
      more = comma != std::string_view::npos;
      ASSIGN_OR_RETURN(const Term term, parse_term(c_, operands.substr(0, comma)));
      operands = more ? operands.substr(comma + 1) : std::string_view();
      if (count >= c_.input_count()) continue;
      if (c_.shape(count) == nullptr)
        ranks_known = false;
      else
        TRY(bind(term, count));
      for (const char letter : term.letters) ++uses_[letter];
      has_ellipsis_ = has_ellipsis_ || term.ellipsis;
    }
    if (count != c_.input_count())
      return c_.invalid("attribute 'equation'; got {} operands for {} inputs", count, c_.input_count());
    Term result;
    if (arrow != std::string_view::npos) {
      ASSIGN_OR_RETURN(result, parse_term(c_, equation.substr(arrow + 2)));
    } else {
      // Without an arrow: the ellipsis, then every letter that is used once, in alphabetical order.
      if (has_ellipsis_) result.ellipsis = 0;
      for (const auto& [letter, uses] : uses_)
        if (uses == 1) result.letters += letter;
    }
    if (result.ellipsis && !ranks_known) return {};
    Shape shape;
    for (size_t i = 0; i <= result.letters.size(); ++i) {
      if (result.ellipsis == i) shape.insert(shape.end(), ellipsis_.begin(), ellipsis_.end());
      if (i == result.letters.size()) break;
      const char letter = result.letters[i];
      if (!uses_.contains(letter))
        return c_.invalid("attribute 'equation'; letter '{}' of the result is in no operand", letter);
      shape.push_back(sizes_[letter]);
    }
    c_.set_shape(0, std::move(shape));
    return {};
  }

 private:
  Result<> bind(const Term& term, size_t i) {
    const Shape& shape = *c_.shape(i);
    const size_t rest = shape.size() - std::min(shape.size(), term.letters.size());
    if (term.letters.size() > shape.size() || (rest > 0 && !term.ellipsis))
      return c_.invalid("attribute 'equation'; got {} letters for {}", term.letters.size(), c_.describe(i));
    size_t at = 0;
    for (size_t k = 0; k <= term.letters.size(); ++k) {
      if (term.ellipsis == k) {
        auto both = broadcast(ellipsis_, Shape(shape.begin() + static_cast<std::ptrdiff_t>(at),
                                               shape.begin() + static_cast<std::ptrdiff_t>(at + rest)));
        if (!both) return c_.invalid("sizes do not broadcast; got {}", c_.describe_inputs());
        ellipsis_ = std::move(*both);
        at += rest;
      }
      if (k == term.letters.size()) break;
      const auto [size, added] = sizes_.emplace(term.letters[k], shape[at]);
      if (!added) {
        auto both = broadcast_size(size->second, shape[at]);
        if (!both) return c_.invalid("sizes of letter '{}' differ; got {}", term.letters[k], c_.describe_inputs());
        size->second = std::move(*both);
      }
      ++at;
    }
    return {};
  }

  InferContext& c_;
  std::map<char, Dimension> sizes_;
  std::map<char, int> uses_;
  Shape ellipsis_;
  bool has_ellipsis_ = false;
};

Result<> einsum(InferContext& c) {
  return Einsum(c).infer();
}

constexpr InferEntry kTable[] = {
    {"Det", det},        {"Einsum", einsum},         {"Gemm", gemm},
    {"MatMul", mat_mul}, {"MatMulInteger", mat_mul}, {"QLinearMatMul", qlinear_mat_mul},
};

}  // namespace

std::span<const InferEntry> matrix_inference() {
  return kTable;
}

}  // namespace hearth::graph::infer
