// LinearAttention: the recurrence over tokens, one key-value head of one batch after the other. Its state is float
// whatever the element types.
#include <algorithm>
#include <cmath>

#include "operators/matrix/heads.h"
#include "operators/matrix/kernels.h"

namespace hearth::operators {

namespace {

enum Input { kQuery, kKey, kValue, kPastState, kDecay, kBeta };

struct Rule {
  bool gated, delta;
};

Result<Rule> read_rule(const Call& call) {
  const std::string_view text = call.node().string_or("update_rule", "gated_delta");
  const Rule rule{text == "gated" || text == "gated_delta", text == "delta" || text == "gated_delta"};
  if (!rule.gated && !rule.delta && text != "linear")
    return call.invalid("attribute 'update_rule'; got '{}', need linear, gated, delta or gated_delta", text);
  if (rule.gated != call.has(kDecay))
    return call.invalid("decay; update_rule '{}' {}", text, rule.gated ? "needs it" : "has none");
  if (rule.delta != call.has(kBeta))
    return call.invalid("beta; update_rule '{}' {}", text, rule.delta ? "needs it" : "has none");
  return rule;
}

struct Problem {
  Heads<float> q, k, v;
  Wide<float> decay, beta;  // no data where the rule has none
  int64_t decay_sizes = 0;  // of a row: heads, or heads * key size
  int64_t beta_sizes = 0;   // of a row: heads, or 1
  float scale = 1;
};

// One token: state [key size × value size], `value` is room for a row.
void step(const Problem& problem, int64_t b, int64_t h, int64_t t, float* state, float* value) {
  const int64_t keys = problem.k.size, values = problem.v.size, row = b * problem.k.length + t;
  const float *k = problem.k.row(b, h, t), *v = problem.v.row(b, h, t);
  if (problem.decay.data() != nullptr) {
    const bool by_head = problem.decay_sizes == problem.k.heads;
    const float* decay = problem.decay.data() + row * problem.decay_sizes + (by_head ? h : h * keys);
    for (int64_t i = 0; i < keys; ++i) {
      const float factor = std::exp(decay[by_head ? 0 : i]);
      for (int64_t j = 0; j < values; ++j) state[i * values + j] *= factor;
    }
  }
  std::copy_n(v, values, value);
  if (problem.beta.data() != nullptr) {
    const float beta = problem.beta[row * problem.beta_sizes + (problem.beta_sizes == 1 ? 0 : h)];
    for (int64_t i = 0; i < keys; ++i)
      for (int64_t j = 0; j < values; ++j) value[j] -= k[i] * state[i * values + j];
    for (int64_t j = 0; j < values; ++j) value[j] *= beta;
  }
  for (int64_t i = 0; i < keys; ++i)
    for (int64_t j = 0; j < values; ++j) state[i * values + j] += k[i] * value[j];
}

void read_out(const Problem& problem, int64_t b, int64_t q_head, int64_t t, const float* state, float* to) {
  const int64_t keys = problem.k.size, values = problem.v.size;
  const float* q = problem.q.row(b, q_head, t);
  std::fill_n(to, values, 0.0f);
  for (int64_t i = 0; i < keys; ++i)
    for (int64_t j = 0; j < values; ++j) to[j] += q[i] * state[i * values + j];
  for (int64_t j = 0; j < values; ++j) to[j] *= problem.scale;
}

Result<Heads<float>> read_heads(const Call& call, const Tensor& tensor, const float* data, std::string_view attribute) {
  const int64_t heads = call.node().int_or(attribute, 0);
  if (tensor.rank() != 3 || heads < 1 || tensor.dim(2) % heads != 0)
    return call.invalid("attribute '{}'; got {} for an operand of {}, need [batch, tokens, heads * size]", attribute,
                        heads, to_string(tensor.dims()));
  return heads_last(data, tensor.dims(), heads);
}

// A gate's rows: [batch, tokens, one of the sizes].
Result<Wide<float>> read_gate(Call& call, int input, const Heads<float>& k, std::initializer_list<int64_t> sizes,
                              int64_t& size) {
  if (!call.has(input)) return Wide<float>();
  ASSIGN_OR_RETURN(const Tensor* gate, call.tensor(input));
  size = gate->rank() == 3 ? gate->dim(2) : -1;
  if (gate->rank() != 3 || gate->dim(0) != k.batch || gate->dim(1) != k.length ||
      std::ranges::find(sizes, size) == sizes.end())
    return call.invalid("input {}; got {}, need [{}, {}, {}]", input, to_string(gate->dims()), k.batch, k.length,
                        fmt::join(sizes, " or "));
  return Wide<float>::make(call, *gate);
}

}  // namespace

Result<> run_linear_attention(Call& call) {
  const Tensor* operands[3];
  Wide<float> data[3];
  for (int i = 0; i < 3; ++i) {
    ASSIGN_OR_RETURN(operands[i], call.tensor(i));
    if (operands[i]->dtype() != operands[0]->dtype() || info(operands[i]->dtype()).kind != DTypeClass::Float)
      return call.invalid("element types; got {} and {}, need one floating-point type", to_string(operands[0]->dtype()),
                          to_string(operands[i]->dtype()));
    ASSIGN_OR_RETURN(data[i], Wide<float>::make(call, *operands[i]));
  }
  ASSIGN_OR_RETURN(const Rule rule, read_rule(call));
  Problem problem;
  ASSIGN_OR_RETURN(problem.q, read_heads(call, *operands[kQuery], data[kQuery].data(), "q_num_heads"));
  ASSIGN_OR_RETURN(problem.k, read_heads(call, *operands[kKey], data[kKey].data(), "kv_num_heads"));
  ASSIGN_OR_RETURN(problem.v, read_heads(call, *operands[kValue], data[kValue].data(), "kv_num_heads"));
  const Heads<float>&q = problem.q, &k = problem.k, &v = problem.v;
  if (k.batch != q.batch || v.batch != q.batch || k.length != q.length || v.length != q.length || k.size != q.size ||
      q.heads % k.heads != 0)
    return call.invalid(
        "query, key and value; got {}, {} and {} with {} and {} heads, need equal batches, tokens and "
        "key sizes, and a multiple of kv_num_heads",
        to_string(operands[kQuery]->dims()), to_string(operands[kKey]->dims()), to_string(operands[kValue]->dims()),
        q.heads, k.heads);
  if (rule.gated) {
    ASSIGN_OR_RETURN(problem.decay, read_gate(call, kDecay, k, {k.heads, k.heads * k.size}, problem.decay_sizes));
  }
  if (rule.delta) {
    ASSIGN_OR_RETURN(problem.beta, read_gate(call, kBeta, k, {k.heads, 1}, problem.beta_sizes));
  }
  const float scale = call.node().float_or("scale", 0);
  problem.scale = scale != 0 ? scale : 1 / std::sqrt(static_cast<float>(std::max<int64_t>(q.size, 1)));

  const DType dtype = operands[0]->dtype();
  const Dims state_dims{k.batch, k.heads, k.size, v.size};
  DType state_dtype = dtype;
  ASSIGN_OR_RETURN(const auto state, Scratch<float>::make(call, {k.batch, k.heads, k.size, v.size}));
  const int64_t state_size = k.size * v.size;
  std::fill_n(state.data(), k.batch * k.heads * state_size, 0.0f);
  if (call.has(kPastState)) {
    ASSIGN_OR_RETURN(const Tensor* past, call.tensor(kPastState));
    state_dtype = past->dtype();
    if (past->dims() != state_dims || info(state_dtype).kind != DTypeClass::Float ||
        !widen(state_dtype, past->raw(), past->size(), state.data()))
      return call.invalid("past_state; got {}{}, need a floating-point type and {}", to_string(state_dtype),
                          to_string(past->dims()), to_string(state_dims));
  }
  WideOutput<float> y;
  if (call.wants(0)) {
    ASSIGN_OR_RETURN(y, WideOutput<float>::make(call, 0, dtype, {q.batch, q.length, q.heads * v.size}));
  }
  const int64_t group = q.heads / k.heads, tokens = k.batch > 0 && k.heads > 0 ? k.length : 0;
  const double cost = static_cast<double>(tokens) * static_cast<double>(state_size) * static_cast<double>(group + 2);
  TRY(run_units<float>(call, k.batch * k.heads, static_cast<int64_t>(std::min(cost, 1e15)), v.size,
                       [&](int64_t begin, int64_t end, float* value) {
                         for (int64_t unit = begin; unit < end; ++unit) {
                           const int64_t b = unit / k.heads, h = unit % k.heads;
                           float* const s = state.data() + unit * state_size;
                           for (int64_t t = 0; t < tokens; ++t) {
                             step(problem, b, h, t, s, value);
                             for (int64_t g = 0; y.data() != nullptr && g < group; ++g) {
                               const int64_t head = h * group + g;
                               read_out(problem, b, head, t, s,
                                        y.data() + ((b * q.length + t) * q.heads + head) * v.size);
                             }
                           }
                         }
                       }));
  if (call.wants(0)) y.finish(call);
  if (call.wants(1)) {
    ASSIGN_OR_RETURN(Tensor * present, call.output(1, state_dtype, state_dims));
    narrow(state.data(), present->size(), state_dtype, present->mutable_raw());
  }
  return {};
}

}  // namespace hearth::operators
