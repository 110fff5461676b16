#include <algorithm>
#include <unordered_map>

#include "operators/array/array_kernels.h"

namespace hearth::operators {

namespace {

enum class Mode { Tf, Idf, TfIdf };

constexpr int64_t kMaxColumns = 1 << 28;  // of the output: the greatest of ngram_indexes is anybody's number

// The n-grams of the pool, as a tree of words.
class Pool final : public Prepared {
 public:
  struct Leaf {
    std::unordered_map<int64_t, int32_t> next;  // word → node
    int32_t ngram = -1;                         // that ends here
  };

  static Result<std::unique_ptr<Pool>> read(const graph::Node& node);

  // The number of a word, the same in the pool and in the input; -1: in no n-gram.
  int64_t word(const std::string& text) const {
    const auto at = words_.find(text);
    return at != words_.end() ? at->second : -1;
  }
  const Leaf* find(const Leaf& leaf, int64_t word) const {
    const auto at = leaf.next.find(word);
    return at != leaf.next.end() ? &leaves_[static_cast<size_t>(at->second)] : nullptr;
  }
  const Leaf& root() const { return leaves_.front(); }

  Mode mode = Mode::Tf;
  bool of_strings = false;
  int64_t min_length = 1, max_length = 1, max_skip = 0;
  int64_t columns = 0;
  std::vector<int64_t> column_of;  // n-gram → column
  std::vector<float> weights;      // n-gram → weight

 private:
  Result<> read_numbers(const graph::Node& node);
  Result<> read_ngrams(const graph::Node& node);

  std::vector<Leaf> leaves_ = std::vector<Leaf>(1);
  std::unordered_map<std::string, int64_t> words_;
};

template <class... Args>
std::unexpected<Error> invalid(fmt::format_string<Args...> text, Args&&... args) {
  return fail(ErrorKind::Invalid, "[TfIdfVectorizer] {}", fmt::format(text, std::forward<Args>(args)...));
}

Result<> Pool::read_numbers(const graph::Node& node) {
  const std::string_view name = node.string_or("mode", "");
  if (name != "TF" && name != "IDF" && name != "TFIDF")
    return invalid("attribute mode; got '{}', need TF, IDF or TFIDF", name);
  mode = name == "TF" ? Mode::Tf : name == "IDF" ? Mode::Idf : Mode::TfIdf;
  min_length = node.int_or("min_gram_length", 0), max_length = node.int_or("max_gram_length", 0);
  max_skip = node.int_or("max_skip_count", 0);
  if (min_length < 1 || max_length < min_length || max_skip < 0)
    return invalid(
        "min_gram_length, max_gram_length, max_skip_count; got {}, {}, {}, need 1 or more, no less than that, "
        "and 0 or more",
        min_length, max_length, max_skip);
  const auto indexes = node.ints("ngram_indexes");
  column_of.assign(indexes.begin(), indexes.end());
  for (const int64_t column : column_of) {
    if (column < 0 || column >= kMaxColumns)
      return invalid("attribute ngram_indexes; got {}, need 0 to {}", column, kMaxColumns - 1);
    columns = std::max(columns, column + 1);
  }
  const auto given = node.floats("weights");
  weights.assign(given.begin(), given.end());
  if (weights.empty()) weights.assign(column_of.size(), 1.0f);
  if (weights.size() != column_of.size())
    return invalid("attribute weights; got {}, need {}, one for each n-gram", weights.size(), column_of.size());
  return {};
}

Result<> Pool::read_ngrams(const graph::Node& node) {
  const auto numbers = node.ints("pool_int64s");
  const auto strings = node.strings("pool_strings");
  if (node.has("pool_int64s") == node.has("pool_strings") && numbers.empty() == strings.empty())
    return invalid("attributes pool_int64s and pool_strings; need one of them");
  of_strings = !strings.empty();
  std::vector<int64_t> pool(numbers.begin(), numbers.end());
  for (const std::string& text : strings)
    pool.push_back(words_.emplace(text, static_cast<int64_t>(words_.size())).first->second);

  const auto starts = node.ints("ngram_counts");
  const auto total = static_cast<int64_t>(pool.size());
  size_t ngram = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    const int64_t begin = starts[i], end = i + 1 < starts.size() ? starts[i + 1] : total;
    const auto length = static_cast<int64_t>(i) + 1;
    if (begin < 0 || begin > end || end > total || (end - begin) % length != 0)
      return invalid("attribute ngram_counts; got {} to {} for n-grams of {} words in a pool of {}", begin, end, length,
                     total);
    for (int64_t at = begin; at < end; at += length, ++ngram) {
      if (ngram >= column_of.size())
        return invalid("attribute ngram_indexes; got {}, need one for each n-gram of the pool", column_of.size());
      if (length < min_length || length > max_length) continue;
      size_t leaf = 0;
      for (int64_t k = 0; k < length; ++k) {
        const auto [next, added] =
            leaves_[leaf].next.emplace(pool[static_cast<size_t>(at + k)], static_cast<int32_t>(leaves_.size()));
        leaf = static_cast<size_t>(next->second);
        if (added) leaves_.emplace_back();
      }
      leaves_[leaf].ngram = static_cast<int32_t>(ngram);
    }
  }
  return {};
}

Result<std::unique_ptr<Pool>> Pool::read(const graph::Node& node) {
  auto pool = std::make_unique<Pool>();
  TRY(pool->read_numbers(node));
  TRY(pool->read_ngrams(node));
  return pool;
}

// Calls found(ngram) for each n-gram among the words, its words one, two, … up to max_skip + 1 places apart.
template <class Found>
void each_ngram(const Pool& pool, std::span<const int64_t> words, Found&& found) {
  const auto count = static_cast<int64_t>(words.size());
  int64_t shortest = pool.min_length;
  for (int64_t distance = 1; distance - 1 <= pool.max_skip; ++distance) {
    if (distance > count && distance > 1) return;  // no two words are so far apart
    for (int64_t begin = 0; begin < count; ++begin) {
      if (shortest > 1 && (shortest - 1) > (count - 1 - begin) / distance) break;
      const Pool::Leaf* leaf = &pool.root();
      int64_t at = begin;
      for (int64_t length = 1; length <= pool.max_length && at < count; ++length, at += distance) {
        leaf = pool.find(*leaf, words[static_cast<size_t>(at)]);
        if (leaf == nullptr) break;
        if (length >= shortest && leaf->ngram >= 0) found(leaf->ngram);
      }
    }
    // Single words are the same at every distance: they count once.
    if (shortest == 1 && ++shortest > pool.max_length) return;
  }
}

Result<std::vector<int64_t>> read_words(const Call& call, const Pool& pool, const Tensor& input) {
  if (pool.of_strings != (input.dtype() == DType::String))
    return call.invalid("input; got {}, need {}", to_string(input.dtype()), pool.of_strings ? "strings" : "integers");
  std::vector<int64_t> words(static_cast<size_t>(input.size()));
  for (size_t i = 0; i < words.size(); ++i) {
    if (input.dtype() == DType::String)
      words[i] = pool.word(input.strings()[i]);
    else if (input.dtype() == DType::I64)
      words[i] = input.data<int64_t>()[i];
    else if (input.dtype() == DType::I32)
      words[i] = input.data<int32_t>()[i];
    else
      return call.invalid("input; got {}, need string, int32 or int64", to_string(input.dtype()));
  }
  return words;
}

}  // namespace

Result<std::unique_ptr<Prepared>> prepare_tf_idf_vectorizer(const graph::Node& node, int64_t,
                                                            std::span<const Tensor* const>) {
  ASSIGN_OR_RETURN(std::unique_ptr<Prepared> pool, Pool::read(node));
  return pool;
}

Result<> run_tf_idf_vectorizer(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  const auto* pool = static_cast<const Pool*>(call.prepared());
  std::unique_ptr<Pool> own;  // a node that is evaluated by itself has nothing prepared
  if (pool == nullptr) {
    ASSIGN_OR_RETURN(own, Pool::read(call.node()));
    pool = own.get();
  }
  if (input->rank() > 2) return call.invalid("input; got shape {}, need [C] or [N, C]", to_string(input->dims()));
  ASSIGN_OR_RETURN(const auto words, read_words(call, *pool, *input));
  const int64_t rows = input->rank() == 2 ? input->dim(0) : 1;
  Dims dims = {pool->columns};
  if (input->rank() == 2) dims.insert(0, rows);
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, DType::F32, dims));
  auto* to = output->mutable_data<float>();
  std::fill_n(to, output->size(), 0.0f);
  std::vector<int64_t> counts(pool->column_of.size());
  for (int64_t row = 0; row < rows && !words.empty(); ++row, to += pool->columns) {
    TRY(call.check_cancelled());
    const size_t length = words.size() / static_cast<size_t>(rows);
    std::ranges::fill(counts, 0);
    each_ngram(*pool, std::span(words).subspan(static_cast<size_t>(row) * length, length),
               [&](int32_t ngram) { ++counts[static_cast<size_t>(ngram)]; });
    for (size_t i = 0; i < counts.size(); ++i) {
      const int64_t count = pool->mode == Mode::Idf ? std::min<int64_t>(counts[i], 1) : counts[i];
      to[pool->column_of[i]] += static_cast<float>(count) * (pool->mode == Mode::Tf ? 1.0f : pool->weights[i]);
    }
  }
  return {};
}

}  // namespace hearth::operators
