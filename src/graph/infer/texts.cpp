// Operators on strings, and counting n-grams.
#include <algorithm>

#include "graph/infer/table.h"

namespace hearth::graph::infer {

namespace {

Result<> regex_full_match(InferContext& c) {
  c.same_shape();
  return {};
}

// Words are dropped: [C] and [1,C] become shorter.
Result<> string_normalizer(InferContext& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return {};
  if (x->size() != 1 && x->size() != 2) return c.invalid("dimensions of input {}; need [C] or [1,C]", c.describe(0));
  if (c.node().strings("stopwords").empty()) {
    c.same_shape();
    return {};
  }
  c.set_shape(0, x->size() == 1 ? Shape{Dimension()} : Shape{1, Dimension()});
  return {};
}

Result<> string_concat(InferContext& c) {
  const Shape *a = c.shape(0), *b = c.shape(1);
  if (a == nullptr || b == nullptr) return {};
  auto both = broadcast(*a, *b);
  if (!both) return c.invalid("sizes do not broadcast; got {}", c.describe_inputs());
  c.set_shape(0, std::move(*both));
  return {};
}

Result<> string_split(InferContext& c) {
  c.same_shape(0, 1);
  const Shape* x = c.shape(0);
  if (x == nullptr) return {};
  Shape parts = *x;
  parts.emplace_back();
  c.set_shape(0, std::move(parts));
  return {};
}

Result<> tf_idf_vectorizer(InferContext& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return {};
  if (x->size() != 1 && x->size() != 2) return c.invalid("dimensions of input {}; need [C] or [N,C]", c.describe(0));
  const auto places = c.node().ints("ngram_indexes");
  const int64_t last = places.empty() ? -1 : *std::ranges::max_element(places);
  if (last < 0 || last == INT64_MAX) return c.invalid("attribute 'ngram_indexes'; got {} as its largest", last);
  Shape result = *x;
  result.back() = last + 1;
  c.set_shape(0, std::move(result));
  return {};
}

constexpr InferEntry kTable[] = {
    {"RegexFullMatch", regex_full_match},    {"StringConcat", string_concat},
    {"StringNormalizer", string_normalizer}, {"StringSplit", string_split},
    {"TfIdfVectorizer", tf_idf_vectorizer},
};

}  // namespace

std::span<const InferEntry> text_inference() {
  return kTable;
}

}  // namespace hearth::graph::infer
