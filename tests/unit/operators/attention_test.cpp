#include <limits>
#include <optional>

#include "matrix_reference.h"

namespace hearth::operators {
namespace {

using Vector = std::vector<double>;
constexpr double kInf = std::numeric_limits<double>::infinity();

// Scaled dot-product attention over [batch, heads, length, size], from the definition. `bias` is
// [batch, heads, queries, keys] or empty.
struct Reference {
  int64_t batch, q_heads, kv_heads, queries, keys, size, v_size;
  Vector q, k, v, bias;
  double scale, softcap = 0;
  bool causal = false;
  int64_t past = 0;
  Vector scores, probabilities;

  Vector run() {
    Vector y;
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t h = 0; h < q_heads; ++h)
        for (int64_t i = 0; i < queries; ++i) {
          const int64_t kv = b * kv_heads + h / (q_heads / kv_heads), row = (b * q_heads + h) * queries + i;
          Vector p;
          for (int64_t j = 0; j < keys; ++j) {
            double sum = 0;
            for (int64_t e = 0; e < size; ++e)
              sum += q[static_cast<size_t>(row * size + e)] * k[static_cast<size_t>((kv * keys + j) * size + e)];
            sum *= scale;
            scores.push_back(sum);
            if (softcap > 0) sum = softcap * std::tanh(sum / softcap);
            if (!bias.empty()) sum += bias[static_cast<size_t>(row * keys + j)];
            if (causal && j > i + past) sum = -kInf;
            p.push_back(sum);
          }
          double most = -kInf, total = 0;
          for (const double s : p) most = std::max(most, s);
          for (double& s : p) total += s = std::exp(s - most);
          for (double& s : p) s /= total;
          probabilities.insert(probabilities.end(), p.begin(), p.end());
          for (int64_t e = 0; e < v_size; ++e) {
            double sum = 0;
            for (int64_t j = 0; j < keys; ++j)
              sum += p[static_cast<size_t>(j)] * v[static_cast<size_t>((kv * keys + j) * v_size + e)];
            y.push_back(sum);
          }
        }
    return y;
  }
};

template <class T>
Tensor make(const Dims& dims, uint32_t seed) {
  return random_tensor<T>(dims, seed, 8, 8);
}

// [batch, heads, length, size] as [batch, length, heads * size].
Tensor heads_last(const Tensor& tensor) {
  const Vector from = doubles<float>(tensor);
  const int64_t batch = tensor.dim(0), heads = tensor.dim(1), length = tensor.dim(2), size = tensor.dim(3);
  Vector to(from.size());
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < length; ++i)
        for (int64_t e = 0; e < size; ++e)
          to[static_cast<size_t>(((b * length + i) * heads + h) * size + e)] =
              from[static_cast<size_t>(((b * heads + h) * length + i) * size + e)];
  return tensor_of<float>({batch, length, heads * size}, to);
}

// Longer than a block of queries and a block of keys.
constexpr int64_t kBatch = 2, kHeads = 4, kKvHeads = 2, kQueries = 67, kKeys = 300, kSize = 5, kValueSize = 3;

template <class T>
Reference reference_of(const Tensor& q, const Tensor& k, const Tensor& v) {
  return {kBatch,     kHeads,        kKvHeads,      q.dim(2),      k.dim(2), kSize,
          kValueSize, doubles<T>(q), doubles<T>(k), doubles<T>(v), {},       1 / std::sqrt(static_cast<double>(kSize))};
}

template <class T>
class AttentionTypes : public testing::Test {};
using Types = testing::Types<float, double, Half, BFloat16>;
TYPED_TEST_SUITE(AttentionTypes, Types);

TYPED_TEST(AttentionTypes, GroupsOfQueriesShareKeys) {
  const auto q = make<TypeParam>({kBatch, kHeads, kQueries, kSize}, 1);
  const auto k = make<TypeParam>({kBatch, kKvHeads, kKeys, kSize}, 2);
  const auto v = make<TypeParam>({kBatch, kKvHeads, kKeys, kValueSize}, 3);
  TestCall call("Attention", 23, {q, k, v});
  ASSERT_EQ(call.error(), "");
  ASSERT_EQ(call.out().dims(), (Dims{kBatch, kHeads, kQueries, kValueSize}));
  const double tolerance = std::is_same_v<TypeParam, BFloat16> ? 0.01 : sizeof(TypeParam) == 2 ? 1e-3 : 1e-5;
  expect_near(doubles<TypeParam>(call.out()), reference_of<TypeParam>(q, k, v).run(), tolerance);
}

TEST(Attention, HeadsInRowsAreTheSame) {
  const auto q = make<float>({kBatch, kHeads, kQueries, kSize}, 1),
             k = make<float>({kBatch, kKvHeads, kKeys, kSize}, 2),
             v = make<float>({kBatch, kKvHeads, kKeys, kValueSize}, 3);
  TestCall first("Attention", 23, {q, k, v});
  ASSERT_EQ(first.error(), "");
  TestCall rows("Attention", 23, {heads_last(q), heads_last(k), heads_last(v)}, 3);
  rows.with("q_num_heads", kHeads).with("kv_num_heads", kKvHeads);
  ASSERT_EQ(rows.error(), "");
  EXPECT_EQ(values<float>(rows.out()), values<float>(heads_last(first.out())));
  EXPECT_EQ(values<float>(rows.out(1)), values<float>(k));  // present keys come with heads first
  EXPECT_EQ(values<float>(rows.out(2)), values<float>(v));
}

TEST(Attention, PastMaskCausalAndSoftcapTogether) {
  constexpr int64_t kPast = 7;
  const auto q = make<float>({kBatch, kHeads, 4, kSize}, 1), past_k = make<float>({kBatch, kKvHeads, kPast, kSize}, 2),
             past_v = make<float>({kBatch, kKvHeads, kPast, kValueSize}, 3),
             k = make<float>({kBatch, kKvHeads, 6, kSize}, 4), v = make<float>({kBatch, kKvHeads, 6, kValueSize}, 5),
             mask = make<float>({kHeads, 1, kPast + 6}, 6);
  TestCall call("Attention", 24, {q, k, v, mask, past_k, past_v}, 4);
  call.with("is_causal", int64_t{1}).with("softcap", 0.5f).with("scale", 0.75f);
  ASSERT_EQ(call.error(), "");
  ASSERT_EQ(call.out(1).dims(), (Dims{kBatch, kKvHeads, kPast + 6, kSize}));
  Reference reference = reference_of<float>(q, call.out(1), call.out(2));
  // Past first, then what came now.
  const auto present = values<float>(call.out(1)), old = values<float>(past_k), now = values<float>(k);
  for (size_t head = 0; head < kBatch * kKvHeads; ++head) {
    const auto* row = present.data() + head * (kPast + 6) * kSize;
    EXPECT_TRUE(std::equal(row, row + kPast * kSize, old.data() + head * kPast * kSize));
    EXPECT_TRUE(std::equal(row + kPast * kSize, row + (kPast + 6) * kSize, now.data() + head * 6 * kSize));
  }
  reference.scale = 0.75;
  reference.softcap = 0.5;
  reference.causal = true;
  reference.past = kPast;
  for (int64_t b = 0; b < kBatch; ++b)
    for (int64_t h = 0; h < kHeads; ++h)
      for (int64_t i = 0; i < 4; ++i)
        for (int64_t j = 0; j < kPast + 6; ++j)
          reference.bias.push_back(doubles<float>(mask)[static_cast<size_t>(h * (kPast + 6) + j)]);
  expect_near(doubles<float>(call.out()), reference.run(), 1e-5);
  expect_near(doubles<float>(call.out(3)), reference.scores, 1e-5);  // mode 0: before the cap
}

TEST(Attention, ScoresOfEveryMode) {
  const auto q = make<float>({1, 1, 2, 2}, 1), k = make<float>({1, 1, 3, 2}, 2), v = make<float>({1, 1, 3, 2}, 3);
  const auto mask = tensor<bool>({2, 3}, {true, false, true, true, true, false});
  const auto scores = [&](int64_t mode) {
    TestCall call("Attention", 23, {q, k, v, mask}, 4);
    call.with("qk_matmul_output_mode", mode).with("softcap", 2.0f).without_output(1).without_output(2);
    EXPECT_EQ(call.error(), "");
    return doubles<float>(call.out(3));
  };
  const Vector raw = scores(0), capped = scores(1), masked = scores(2), probabilities = scores(3);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(capped[i], 2 * std::tanh(raw[i] / 2), 1e-6);
    const bool kept = i != 1 && i != 5;
    if (kept)
      EXPECT_EQ(masked[i], capped[i]);
    else
      EXPECT_EQ(masked[i], -kInf);
    EXPECT_EQ(probabilities[i] > 0, kept);
  }
  EXPECT_NEAR(probabilities[0] + probabilities[2], 1, 1e-6);
}

TEST(Attention, PaddedCacheAndShortMask) {
  const auto q = make<float>({2, 1, 1, 2}, 1), k = make<float>({2, 1, 4, 2}, 2), v = make<float>({2, 1, 4, 2}, 3);
  const auto probabilities = [&](Value mask, Value lengths) {
    TestCall call("Attention", 24, {q, k, v, std::move(mask), Value(), Value(), std::move(lengths)}, 4);
    call.with("qk_matmul_output_mode", int64_t{3}).without_output(1).without_output(2);
    EXPECT_EQ(call.error(), "");
    return doubles<float>(call.out(3));
  };
  const Vector padded = probabilities(Value(), tensor<int64_t>({2}, {3, 1}));
  EXPECT_EQ(padded[3], 0);
  EXPECT_EQ(padded[4], 1);
  const Vector ended = probabilities(tensor<bool>({1, 2}, {true, true}), Value());
  EXPECT_NEAR(ended[0] + ended[1], 1, 1e-6);
  EXPECT_EQ(ended[2] + ended[3], 0);
}

TEST(Attention, DoublePrecisionSoftmaxAndWiderValues) {
  // Values of double keep their precision, also in the cache.
  const double third = 1.0 / 3;
  TestCall call(
      "Attention", 23,
      {tensor<float>({1, 1, 1, 1}, {0}), tensor<float>({1, 1, 1, 1}, {0}), tensor<double>({1, 1, 1, 1}, {third})}, 3);
  call.with("softmax_precision", int64_t{11});
  ASSERT_EQ(call.error(), "");
  EXPECT_EQ(values<double>(call.out(2)), Vector{third});
  EXPECT_EQ(call.out().dtype(), DType::F32);
}

TEST(Attention, RefusesWhatDoesNotFit) {
  const auto q = make<float>({1, 3, 2, 2}, 1), k = make<float>({1, 2, 3, 2}, 2);
  TestCall heads("Attention", 23, {q, k, k});
  EXPECT_EQ(heads.error(), "[Attention] heads; got 3 of queries over 2 of keys, need a multiple");
  const auto one = make<float>({1, 1, 3, 2}, 2);
  TestCall mask("Attention", 23, {q, one, one, make<float>({5, 3}, 1)});
  EXPECT_EQ(mask.error(), "[Attention] attn_mask; got [5, 3], need sizes that broadcast to [1, 3, 2, 3]");
  TestCall past("Attention", 23, {q, one, one, Value(), one});
  EXPECT_EQ(past.error(), "[Attention] past_key and past_value; got one of them, need both or none");
  TestCall rows("Attention", 23, {make<float>({1, 2, 6}, 1), make<float>({1, 2, 6}, 1), make<float>({1, 2, 6}, 1)});
  EXPECT_EQ(rows.error(),
            "[Attention] attribute 'q_num_heads'; got 0 for an operand of [1, 2, 6], need its number of heads");
  TestCall lengths("Attention", 24, {q, one, one, Value(), Value(), Value(), tensor<int64_t>({1}, {4})});
  EXPECT_EQ(lengths.error(), "[Attention] nonpad_kv_seqlen, element 0; got 4, need [0, 3]");
}

TEST(FlexAttention, GraphsSeeScoresAndProbabilities) {
  const auto q = make<Half>({1, 2, 3, 4}, 1), k = make<Half>({1, 1, 5, 4}, 2), v = make<Half>({1, 1, 5, 2}, 3);
  std::vector<std::string> seen;
  const auto graphs = [&](std::string_view attribute, std::vector<Value> inputs) -> Result<std::vector<Value>> {
    seen.emplace_back(attribute);
    const Tensor& given = *inputs[0].tensor();
    EXPECT_EQ(given.dtype(), DType::F32);
    EXPECT_EQ(given.dims(), (Dims{1, 2, 3, 5}));
    Vector changed = doubles<float>(given);
    for (size_t i = 0; i < changed.size(); ++i)
      if (attribute == "score_mod") {
        if (i % 5 == 4) changed[i] = -kInf;
      } else {
        EXPECT_EQ(changed[i] == 0, i % 5 == 4);
        changed[i] *= 2;
      }
    return std::vector<Value>{tensor_of<float>(given.dims(), changed)};
  };
  const auto graph = [] { return graph::Attribute::Data(std::make_unique<graph::Graph>()); };
  TestCall call("FlexAttention", 1, {q, k, v}, 1, "ai.onnx.preview");
  call.with("score_mod", graph()).with("prob_mod", graph()).graphs(graphs);
  ASSERT_EQ(call.error(), "");
  EXPECT_EQ(seen, (std::vector<std::string>{"score_mod", "prob_mod"}));
  const auto shortened = [](const Tensor& tensor) {
    Vector all = doubles<Half>(tensor);
    all.resize(all.size() / 5 * 4);
    return all;
  };
  Reference reference{1, 2, 1, 3, 4, 4, 2, doubles<Half>(q), shortened(k), shortened(v), {}, 0.5};
  Vector want = reference.run();
  for (double& value : want) value *= 2;
  expect_near(doubles<Half>(call.out()), want, 1e-3);
}

TEST(FlexAttention, RefusesAGraphThatChangesTheSizes) {
  const auto q = make<float>({1, 1, 2, 2}, 1);
  TestCall call("FlexAttention", 1, {q, q, q}, 1, "ai.onnx.preview");
  call.with("score_mod", graph::Attribute::Data(std::make_unique<graph::Graph>()));
  call.graphs([](std::string_view, std::vector<Value>) -> Result<std::vector<Value>> {
    return std::vector<Value>{tensor<float>({1, 1, 4}, {1, 2, 3, 4})};
  });
  EXPECT_EQ(call.error(), "[FlexAttention] graph 'score_mod'; got f32[1, 1, 4], need one tensor f32[1, 1, 2, 2]");
}

TEST(LinearAttention, RulesFromTheirEquations) {
  constexpr int64_t kTokens = 3, kQ = 4, kKv = 2, kKeySize = 3, kValues = 2;
  const auto q = make<float>({2, kTokens, kQ * kKeySize}, 1), k = make<float>({2, kTokens, kKv * kKeySize}, 2),
             v = make<float>({2, kTokens, kKv * kValues}, 3), past = make<float>({2, kKv, kKeySize, kValues}, 4),
             decay = make<float>({2, kTokens, kKv * kKeySize}, 5), beta = make<float>({2, kTokens, 1}, 6);
  for (const char* rule : {"linear", "gated", "delta", "gated_delta"}) {
    SCOPED_TRACE(rule);
    const std::string_view name = rule;
    const bool gated = name.starts_with("gated"), delta = name.ends_with("delta");
    TestCall call("LinearAttention", 27, {q, k, v, past, gated ? Value(decay) : Value(), delta ? Value(beta) : Value()},
                  2);
    call.with("update_rule", std::string(rule)).with("q_num_heads", kQ).with("kv_num_heads", kKv);
    ASSERT_EQ(call.error(), "");
    const auto at = [](const Tensor& tensor, int64_t i) { return static_cast<double>(tensor.data<float>()[i]); };
    Vector state = doubles<float>(past);
    for (int64_t b = 0; b < 2; ++b)
      for (int64_t t = 0; t < kTokens; ++t)
        for (int64_t h = 0; h < kKv; ++h) {
          const int64_t row = b * kTokens + t;
          double* s = state.data() + (b * kKv + h) * kKeySize * kValues;
          for (int64_t i = 0; gated && i < kKeySize; ++i)
            for (int64_t j = 0; j < kValues; ++j)
              s[i * kValues + j] *= std::exp(at(decay, (row * kKv + h) * kKeySize + i));
          Vector value;
          for (int64_t j = 0; j < kValues; ++j) {
            double held = 0;
            for (int64_t i = 0; i < kKeySize; ++i) held += s[i * kValues + j] * at(k, (row * kKv + h) * kKeySize + i);
            const double given = at(v, (row * kKv + h) * kValues + j);
            value.push_back(delta ? at(beta, row) * (given - held) : given);
          }
          for (int64_t i = 0; i < kKeySize; ++i)
            for (int64_t j = 0; j < kValues; ++j)
              s[i * kValues + j] += at(k, (row * kKv + h) * kKeySize + i) * value[static_cast<size_t>(j)];
          for (int64_t head = 2 * h; head < 2 * h + 2; ++head)
            for (int64_t j = 0; j < kValues; ++j) {
              double sum = 0;
              for (int64_t i = 0; i < kKeySize; ++i)
                sum += at(q, (row * kQ + head) * kKeySize + i) * s[i * kValues + j];
              EXPECT_NEAR(at(call.out(), (row * kQ + head) * kValues + j), sum / std::sqrt(3.0), 1e-4);
            }
        }
    expect_near(doubles<float>(call.out(1)), state, 1e-5);
  }
  TestCall missing("LinearAttention", 27, {q, k, v});
  missing.with("q_num_heads", kQ).with("kv_num_heads", kKv);
  EXPECT_EQ(missing.error(), "[LinearAttention] decay; update_rule 'gated_delta' needs it");
}

TEST(RotaryEmbedding, TurnsHalvesOrNeighbours) {
  const auto x = tensor<float>({1, 1, 1, 6}, {1, 2, 3, 4, 5, 6});
  const auto cosine = tensor<float>({2, 2}, {9, 9, 0, 1}), sine = tensor<float>({2, 2}, {9, 9, 1, 0});
  const auto positions = tensor<int64_t>({1, 1}, {1});
  const auto run = [&](int64_t interleaved) {
    TestCall call("RotaryEmbedding", 23, {x, cosine, sine, positions});
    call.with("rotary_embedding_dim", int64_t{4}).with("interleaved", interleaved);
    EXPECT_EQ(call.error(), "");
    return values<float>(call.out());
  };
  EXPECT_EQ(run(0), (std::vector<float>{-3, 2, 1, 4, 5, 6}));
  EXPECT_EQ(run(1), (std::vector<float>{-2, 1, 3, 4, 5, 6}));
  TestCall outside("RotaryEmbedding", 23, {x, cosine, sine, tensor<int64_t>({1, 1}, {2})});
  outside.with("rotary_embedding_dim", int64_t{4});
  EXPECT_EQ(outside.error(), "[RotaryEmbedding] position_ids, element 0; got 2, need [0, 2)");
  TestCall odd("RotaryEmbedding", 23, {x, cosine, sine, positions});
  odd.with("rotary_embedding_dim", int64_t{3});
  EXPECT_EQ(odd.error(),
            "[RotaryEmbedding] rotary embedding; got 3 of 6 elements of a head, need an even number of them");
}

}  // namespace
}  // namespace hearth::operators
