// Recurrent layers and attention.
#include <algorithm>

#include "base/quote_bytes.h"
#include "graph/infer/table.h"

namespace hearth::graph::infer {

namespace {

Dimension size_at(const Shape* shape, size_t i) {
  return shape != nullptr && i < shape->size() ? (*shape)[i] : Dimension();
}

// RNN, GRU and LSTM: X is [steps, batch, …], or with layout 1 [batch, steps, …].
Result<> recurrent(InferContext& c) {
  for (const size_t i : {0, 1, 2}) TRY(c.need_rank(i, 3));
  const Shape *x = c.shape(0), *recurrence = c.shape(2);
  const std::string_view direction = c.node().string_or("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    return c.invalid("attribute 'direction'; got {}, need forward, reverse or bidirectional",
                     quote_bytes(direction, 20));
  const Dimension directions = direction == "bidirectional" ? 2 : 1;
  const bool batch_first = c.node().int_or("layout", 0) != 0;
  const Dimension steps = size_at(x, batch_first ? 1 : 0), batch = size_at(x, batch_first ? 0 : 1);
  const auto hidden_attribute = size_of(c.node().int_or("hidden_size", -1));
  const auto hidden = same_size(hidden_attribute, size_at(recurrence, 2));
  if (!hidden) return c.invalid("attribute 'hidden_size'; got {} for {}", hidden_attribute.size, c.describe(2));
  for (const size_t i : {1, 2})
    if (!same_size(size_at(c.shape(i), 0), directions))
      return c.invalid("directions; got {}, need {}", c.describe(i), directions.size);
  if (!same_size(size_at(x, 2), size_at(c.shape(1), 2)))
    return c.invalid("input sizes differ; got {} and {}", c.describe(0), c.describe(1));
  c.set_shape(0, batch_first ? Shape{batch, steps, directions, *hidden} : Shape{steps, directions, batch, *hidden});
  for (const size_t i : {1, 2})
    c.set_shape(i, batch_first ? Shape{batch, directions, *hidden} : Shape{directions, batch, *hidden});
  return {};
}

// A packed last dimension divided among its heads.
Result<Dimension> per_head(const InferContext& c, const Dimension& packed, int64_t heads, std::string_view attribute) {
  if (heads < 1) return c.invalid("attribute '{}'; got {}, need at least 1", attribute, heads);
  if (!packed.known()) return heads == 1 ? packed : Dimension();
  if (packed.size % heads != 0)
    return c.invalid("attribute '{}'; got {}, which does not divide {}", attribute, heads, packed.size);
  return Dimension(packed.size / heads);
}

// The sizes of one of Q, K, V, packed ([batch, steps, heads · width]) or not ([batch, heads, steps, width]).
struct Heads {
  Dimension batch, heads, steps, width;
};
Result<Heads> heads_of(const InferContext& c, size_t input, std::string_view attribute) {
  const Shape* shape = c.shape(input);
  if (shape == nullptr) return Heads{};
  if (shape->size() == 4) return Heads{(*shape)[0], (*shape)[1], (*shape)[2], (*shape)[3]};
  if (shape->size() != 3) return c.invalid("dimensions of input {}; need 3 or 4", c.describe(input));
  const int64_t count = c.node().int_or(attribute, 0);
  ASSIGN_OR_RETURN(Dimension width, per_head(c, (*shape)[2], count, attribute));
  return Heads{(*shape)[0], Dimension(count), (*shape)[1], std::move(width)};
}

Result<> attention(InferContext& c) {
  const Shape* q_shape = c.shape(0);
  if (q_shape == nullptr) return {};
  ASSIGN_OR_RETURN(const Heads q, heads_of(c, 0, "q_num_heads"));
  ASSIGN_OR_RETURN(const Heads k, heads_of(c, 1, "kv_num_heads"));
  ASSIGN_OR_RETURN(const Heads v, heads_of(c, 2, "kv_num_heads"));
  const auto batch = same_size(q.batch, same_size(k.batch, v.batch).value_or(Dimension()));
  const auto steps = same_size(k.steps, v.steps), heads = same_size(k.heads, v.heads);
  if (!batch || !steps || !heads || !same_size(k.batch, v.batch))
    return c.invalid("queries, keys and values do not fit; got {}", c.describe_inputs());
  if (!same_size(q.width, k.width)) return c.invalid("widths of queries and keys differ; got {}", c.describe_inputs());
  if (q.heads.known() && heads->known() && (heads->size == 0 || q.heads.size % heads->size != 0))
    return c.invalid("heads of queries; got {}, need a multiple of {}", q.heads.size, heads->size);
  if (q_shape->size() == 4)
    c.set_shape(0, {*batch, q.heads, q.steps, v.width});
  else
    c.set_shape(0, {*batch, q.steps, times(q.heads, v.width)});
  Dimension total = *steps;
  if (c.has(4)) {
    const Shape* past = c.shape(4);
    TRY(c.need_rank(4, 4));
    total = past != nullptr ? plus((*past)[2], *steps) : Dimension();
  }
  c.set_shape(1, {*batch, *heads, total, k.width});
  c.set_shape(2, {*batch, *heads, total, v.width});
  c.set_shape(3, {*batch, q.heads, q.steps, total});
  return {};
}

Result<> flex_attention(InferContext& c) {
  for (const size_t i : {0, 1, 2}) TRY(c.need_rank(i, 4));
  const Shape *q = c.shape(0), *k = c.shape(1), *v = c.shape(2);
  c.set_shape(0, {size_at(q, 0), size_at(q, 1), size_at(q, 2), size_at(v, 3)});
  ASSIGN_OR_RETURN(auto precision, c.dtype_attribute("softmax_precision"));
  if (!precision && c.dtype(0)) precision = *c.dtype(0) == DType::F64 ? DType::F64 : DType::F32;
  ValueFacts scores;
  scores.type.kind = TypeKind::Tensor;
  scores.type.dtype = precision;
  scores.type.shape = Shape{size_at(q, 0), size_at(q, 1), size_at(q, 2), size_at(k, 2)};
  for (const std::string_view modifier : {"score_mod", "prob_mod"}) {
    if (!c.node().has(modifier)) continue;
    ASSIGN_OR_RETURN(const auto made, c.run_graph(modifier, std::span(&scores, 1)));
    if (made.size() != 1) return c.invalid("outputs of '{}'; got {}, need 1", modifier, made.size());
    if (!merge(scores.type, made[0].type))
      return c.invalid("output of '{}'; got {}, need {}", modifier, to_string(made[0].type), to_string(scores.type));
  }
  return {};
}

Result<> rotary_embedding(InferContext& c) {
  c.same_shape();
  const Shape* x = c.shape(0);
  if (x != nullptr && x->size() != 3 && x->size() != 4)
    return c.invalid("dimensions of input {}; need 3 or 4", c.describe(0));
  return {};
}

Result<> linear_attention(InferContext& c) {
  for (const size_t i : {0, 1, 2}) TRY(c.need_rank(i, 3));
  TRY(c.need_rank(3, 4));
  const int64_t kv_heads = c.node().int_or("kv_num_heads", 0), q_heads = c.node().int_or("q_num_heads", 0);
  const Shape *q = c.shape(0), *k = c.shape(1), *v = c.shape(2);
  ASSIGN_OR_RETURN(const Dimension key_width, per_head(c, size_at(k, 2), kv_heads, "kv_num_heads"));
  ASSIGN_OR_RETURN(const Dimension value_width, per_head(c, size_at(v, 2), kv_heads, "kv_num_heads"));
  ASSIGN_OR_RETURN(const Dimension query_width, per_head(c, size_at(q, 2), q_heads, "q_num_heads"));
  if (!same_size(key_width, query_width))
    return c.invalid("widths of queries and keys differ; got {}", c.describe_inputs());
  c.set_shape(0, {size_at(q, 0), size_at(q, 1), times(q_heads, value_width)});
  c.set_shape(1, {size_at(q, 0), Dimension(kv_heads), key_width, value_width});
  // Without a past state nothing but the inputs says what the state is made of.
  if (!c.has(3) && c.dtype(0)) c.set_dtype(1, *c.dtype(0));
  return {};
}

Result<> causal_conv_with_state(InferContext& c) {
  TRY(c.need_rank(0, 3));
  TRY(c.need_rank(1, 3));
  c.same_shape();
  const Shape *x = c.shape(0), *w = c.shape(1);
  const auto channels = same_size(size_at(x, 1), size_at(w, 0));
  if (!channels) return c.invalid("channels differ; got {}", c.describe_inputs());
  const Dimension width = size_at(w, 2);
  c.set_shape(1, {size_at(x, 0), *channels, plus(width, -1)});
  return {};
}

constexpr InferEntry kTable[] = {
    {"Attention", attention},
    {"CausalConvWithState", causal_conv_with_state},
    {"FlexAttention", flex_attention, "ai.onnx.preview"},
    {"GRU", recurrent},
    {"LSTM", recurrent},
    {"LinearAttention", linear_attention},
    {"RNN", recurrent},
    {"RotaryEmbedding", rotary_embedding},
};

}  // namespace

std::span<const InferEntry> network_inference() {
  return kTable;
}

}  // namespace hearth::graph::infer
