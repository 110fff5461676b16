// Attention of opsets 23 and 24: a block of query rows of one head at a time, so that the scores never lie in memory as
// a whole (unless the model asks for them).
#include <algorithm>
#include <limits>

#include "graph/type.h"
#include "operators/matrix/heads.h"
#include "operators/matrix/kernels.h"

namespace hearth::operators {

namespace {

enum Input { kQuery, kKey, kValue, kMask, kPastKey, kPastValue, kValidLengths };
enum Output { kResult, kPresentKey, kPresentValue, kScores };

struct Options {
  double scale = 1, softcap = 0;
  bool causal = false;
  int64_t scores_mode = 0;
  bool double_softmax = false;
};

// A bias on the scores, broadcast over [batch, heads, queries, keys].
template <class C>
struct Bias {
  Scratch<C> values;
  bool exists = false;
  int64_t steps[4] = {};
  int64_t keys = 0;  // that it covers; later ones are masked
};

template <class C>
struct Problem {
  Heads<C> q, k, v;
  Options options;
  Bias<C> bias;
  int64_t past = 0;
  std::vector<int64_t> valid;  // keys of each batch that count; empty: all
  C* result = nullptr;
  int64_t result_batch_stride = 0, result_head_stride = 0, result_row_stride = 0;
  C* scores = nullptr;  // the output, or nullptr
};

Result<Options> read_options(const Call& call, int64_t head_size) {
  Options options;
  const graph::Node& node = call.node();
  options.scale = node.has("scale") ? static_cast<double>(node.float_or("scale", 1))
                                    : 1 / std::sqrt(static_cast<double>(std::max<int64_t>(head_size, 1)));
  options.softcap = static_cast<double>(node.float_or("softcap", 0));
  if (options.softcap < 0) return call.invalid("attribute 'softcap'; got {}, need at least 0", options.softcap);
  options.causal = node.int_or("is_causal", 0) != 0;
  options.scores_mode = node.int_or("qk_matmul_output_mode", 0);
  if (options.scores_mode < 0 || options.scores_mode > 3)
    return call.invalid("attribute 'qk_matmul_output_mode'; got {}, need 0 to 3", options.scores_mode);
  if (node.has("softmax_precision")) {
    const auto precision = graph::dtype_from_onnx(node.int_or("softmax_precision", 1));
    if (precision != DType::F32 && precision != DType::F64 && precision != DType::F16 && precision != DType::BF16)
      return call.invalid("attribute 'softmax_precision'; got {}, need the number of a floating-point type",
                          node.int_or("softmax_precision", 1));
    options.double_softmax = precision == DType::F64;  // the narrower ones are computed in float: no less precise
  }
  return options;
}

// The number of heads of an operand from its sizes or the attribute that 3-D operands need.
Result<int64_t> read_heads(const Call& call, const Dims& dims, std::string_view attribute) {
  const int64_t given = call.node().int_or(attribute, dims.rank() == 4 ? dims[1] : 0);
  if (given < 1 || (dims.rank() == 4 ? given != dims[1] : dims[2] % given != 0))
    return call.invalid("attribute '{}'; got {} for an operand of {}, need its number of heads", attribute, given,
                        to_string(dims));
  return given;
}

template <class C>
Result<Heads<C>> read_operand(const Call& call, const Dims& dims, const C* data, std::string_view attribute) {
  if (dims.rank() == 4 && !call.node().has(attribute)) return heads_first(data, dims);
  ASSIGN_OR_RETURN(const int64_t heads, read_heads(call, dims, attribute));
  return dims.rank() == 4 ? heads_first(data, dims) : heads_last(data, dims, heads);
}

// Keys or values with those of the past before them. They are laid out anew where there is a past or an output wants
// them; else they stay as they are.
template <class C>
struct Present {
  WideOutput<C> output;
  Scratch<C> room;
  Heads<C> heads;

  static Result<Present> make(Call& call, const Heads<C>& now, DType dtype, int past_input, int output_index) {
    Present made;
    made.heads = now;
    Wide<C> past;
    int64_t past_length = 0;
    if (call.has(past_input)) {
      ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(past_input));
      const Dims& dims = tensor->dims();
      if (dims.rank() != 4 || dims[0] != now.batch || dims[1] != now.heads || dims[3] != now.size ||
          tensor->dtype() != dtype)
        return call.invalid("past, input {}; got {}{}, need {}[{}, {}, length, {}]", past_input,
                            to_string(tensor->dtype()), to_string(dims), to_string(dtype), now.batch, now.heads,
                            now.size);
      past_length = dims[2];
      ASSIGN_OR_RETURN(past, Wide<C>::make(call, *tensor));
    }
    const bool wanted = call.wants(output_index);
    if (past.data() == nullptr && !wanted) return made;
    const Dims dims{now.batch, now.heads, past_length + now.length, now.size};
    C* to = nullptr;
    if (wanted) {
      ASSIGN_OR_RETURN(made.output, WideOutput<C>::make(call, output_index, dtype, dims));
      to = made.output.data();
    } else {
      ASSIGN_OR_RETURN(made.room, Scratch<C>::make(call, {dims[0], dims[1], dims[2], dims[3]}));
      to = made.room.data();
    }
    made.heads = heads_first<C>(to, dims);
    for (int64_t b = 0; b < now.batch; ++b)
      for (int64_t h = 0; h < now.heads; ++h) {
        if (past.data() != nullptr)
          to = std::copy_n(past.data() + (b * now.heads + h) * past_length * now.size, past_length * now.size, to);
        for (int64_t i = 0; i < now.length; ++i) to = std::copy_n(now.row(b, h, i), now.size, to);
      }
    if (wanted) made.output.finish(call);
    return made;
  }
};

template <class C>
Result<Bias<C>> read_mask(Call& call, const Problem<C>& problem) {
  Bias<C> bias;
  if (!call.has(kMask)) return bias;
  ASSIGN_OR_RETURN(const Tensor* mask, call.tensor(kMask));
  ASSIGN_OR_RETURN(bias.values, Scratch<C>::make(call, {mask->size()}));
  if (!widen(mask->dtype(), mask->raw(), mask->size(), bias.values.data()))
    return call.unsupported("attn_mask's element type; got {}, need bool or numbers", to_string(mask->dtype()));
  if (mask->dtype() == DType::Bool)
    for (int64_t i = 0; i < mask->size(); ++i)
      bias.values[i] = bias.values[i] != 0 ? C{0} : -std::numeric_limits<C>::infinity();
  const int64_t need[4] = {problem.q.batch, problem.q.heads, problem.q.length, problem.k.length};
  const Dims& dims = mask->dims();
  bias.exists = true;
  bias.keys = problem.k.length;
  bool fits = dims.rank() <= 4;
  int64_t stride = 1;
  for (int i = dims.rank() - 1, axis = 3; fits && i >= 0; --i, --axis) {
    const int64_t size = dims[static_cast<size_t>(i)];
    // Opset 24: a mask may end early, and a size of 1 is such an end. Before it, 1 broadcasts.
    const bool ends_early = axis == 3 && size < need[axis] && (size != 1 || call.opset() >= 24);
    fits = size == need[axis] || size == 1 || ends_early;
    if (ends_early) bias.keys = size;
    bias.steps[axis] = size == 1 && !ends_early ? 0 : stride;
    stride *= size;
  }
  if (!fits)
    return call.invalid("attn_mask; got {}, need sizes that broadcast to [{}, {}, {}, {}]", to_string(dims), need[0],
                        need[1], need[2], need[3]);
  return bias;
}

Result<std::vector<int64_t>> read_valid_lengths(const Call& call, int64_t batch, int64_t keys) {
  std::vector<int64_t> valid;
  if (!call.has(kValidLengths)) return valid;
  ASSIGN_OR_RETURN(const Tensor* lengths, call.tensor(kValidLengths));
  if (lengths->dtype() != DType::I64 || lengths->size() != batch)
    return call.invalid("nonpad_kv_seqlen; got {}{}, need i64[{}]", to_string(lengths->dtype()),
                        to_string(lengths->dims()), batch);
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t length = lengths->data<int64_t>()[b];
    if (length < 0 || length > keys)
      return call.invalid("nonpad_kv_seqlen, element {}; got {}, need [0, {}]", b, length, keys);
    valid.push_back(length);
  }
  return valid;
}

// Adds mask, causal bound and padding to the scores of query i.
template <class C>
void add_bias(const Problem<C>& problem, int64_t b, int64_t h, int64_t i, C* scores) {
  constexpr C kMasked = -std::numeric_limits<C>::infinity();
  const int64_t keys = problem.k.length;
  if (const Bias<C>& bias = problem.bias; bias.exists) {
    const C* from = bias.values.data() + b * bias.steps[0] + h * bias.steps[1] + i * bias.steps[2];
    for (int64_t j = 0; j < bias.keys; ++j) scores[j] += from[j * bias.steps[3]];
    for (int64_t j = bias.keys; j < keys; ++j) scores[j] += kMasked;
  }
  if (problem.options.causal)
    for (int64_t j = std::min(keys, i + problem.past + 1); j < keys; ++j) scores[j] += kMasked;
  if (!problem.valid.empty())
    for (int64_t j = problem.valid[static_cast<size_t>(b)]; j < keys; ++j) scores[j] += kMasked;
}

// Query rows [first, first + rows) of one head.
template <class C>
void attend(const Problem<C>& problem, int64_t b, int64_t h, int64_t first, int64_t rows, C* scratch) {
  const Options& options = problem.options;
  const int64_t keys = problem.k.length, kv_head = h / (problem.q.heads / problem.k.heads);
  C *const scores = scratch, *const space = scratch + rows * keys;
  multiply(problem.q.rows(b, h, first), problem.k.rows(b, kv_head).transposed(), problem.q.size, Part{0, rows, 0, keys},
           scores, keys, false, space);
  const C scale = static_cast<C>(options.scale), cap = static_cast<C>(options.softcap);
  for (int64_t i = 0; i < rows && keys > 0; ++i) {
    C* const row = scores + i * keys;
    C* const kept = problem.scores == nullptr
                        ? nullptr
                        : problem.scores + ((b * problem.q.heads + h) * problem.q.length + first + i) * keys;
    const auto keep = [&](int64_t mode) {
      if (kept != nullptr && options.scores_mode == mode) std::copy_n(row, keys, kept);
    };
    for (int64_t j = 0; j < keys; ++j) row[j] *= scale;
    keep(0);
    if (cap > 0)
      for (int64_t j = 0; j < keys; ++j) row[j] = std::tanh(row[j] / cap) * cap;
    keep(1);
    add_bias(problem, b, h, first + i, row);
    keep(2);
    if (options.double_softmax)
      softmax_row<double>(row, keys);
    else
      softmax_row<C>(row, keys);
    keep(3);
  }
  multiply(Factor<C>{scores, keys, 1}, problem.v.rows(b, kv_head), keys, Part{0, rows, 0, problem.v.size},
           problem.result + b * problem.result_batch_stride + h * problem.result_head_stride +
               first * problem.result_row_stride,
           problem.result_row_stride, false, space);
}

template <class C>
Result<> attend_all(Call& call, const Problem<C>& problem) {
  const int64_t keys = problem.k.length, queries = problem.q.length;
  const int64_t high = std::clamp<int64_t>((1 << 16) / std::max<int64_t>(keys, 1), 1, 64);
  const int64_t blocks = (queries + high - 1) / high;
  const double cost =
      static_cast<double>(high) * static_cast<double>(keys) * static_cast<double>(problem.q.size + problem.v.size + 16);
  const int64_t space =
      std::max(multiply_scratch<C>(high, keys, problem.q.size), multiply_scratch<C>(high, problem.v.size, keys));
  return run_units<C>(call, problem.q.batch * problem.q.heads * blocks, static_cast<int64_t>(std::min(cost, 1e15)),
                      high * keys + space, [&](int64_t begin, int64_t end, C* scratch) {
                        for (int64_t unit = begin; unit < end; ++unit) {
                          const int64_t first = unit % blocks * high, head = unit / blocks;
                          attend(problem, head / problem.q.heads, head % problem.q.heads, first,
                                 std::min(high, queries - first), scratch);
                        }
                      });
}

template <class C>
Result<> check_operands(const Call& call, const Heads<C>& q, const Heads<C>& k, const Heads<C>& v) {
  if (k.batch != q.batch || v.batch != q.batch || v.heads != k.heads || v.length != k.length || k.size != q.size)
    return call.invalid(
        "Q, K and V; got batches {}, {}, {}, heads {}, {}, {}, lengths of K and V {}, {}, head sizes of "
        "Q and K {}, {}; those of K and V have to agree, and batches and the last pair",
        q.batch, k.batch, v.batch, q.heads, k.heads, v.heads, k.length, v.length, q.size, k.size);
  if (k.heads < 1 ? q.heads > 0 : q.heads % k.heads != 0)
    return call.invalid("heads; got {} of queries over {} of keys, need a multiple", q.heads, k.heads);
  return {};
}

template <class C>
Result<> attention(Call& call, const Tensor& q, const Tensor& k, const Tensor& v) {
  ASSIGN_OR_RETURN(const auto q_data, Wide<C>::make(call, q));
  ASSIGN_OR_RETURN(const auto k_data, Wide<C>::make(call, k));
  ASSIGN_OR_RETURN(const auto v_data, Wide<C>::make(call, v));
  Problem<C> problem;
  ASSIGN_OR_RETURN(problem.q, read_operand(call, q.dims(), q_data.data(), "q_num_heads"));
  ASSIGN_OR_RETURN(problem.k, read_operand(call, k.dims(), k_data.data(), "kv_num_heads"));
  ASSIGN_OR_RETURN(problem.v, read_operand(call, v.dims(), v_data.data(), "kv_num_heads"));
  TRY(check_operands(call, problem.q, problem.k, problem.v));
  ASSIGN_OR_RETURN(problem.options, read_options(call, problem.q.size));
  if (call.has(kPastKey) != call.has(kPastValue))
    return call.invalid("past_key and past_value; got one of them, need both or none");
  if (call.has(kPastKey) && call.has(kValidLengths))
    return call.invalid("nonpad_kv_seqlen stands beside past_key; a cache is updated outside or inside, not both");
  const int64_t now = problem.k.length;
  ASSIGN_OR_RETURN(const auto present_k, Present<C>::make(call, problem.k, k.dtype(), kPastKey, kPresentKey));
  ASSIGN_OR_RETURN(const auto present_v, Present<C>::make(call, problem.v, v.dtype(), kPastValue, kPresentValue));
  problem.k = present_k.heads;
  problem.v = present_v.heads;
  if (problem.k.length != problem.v.length)
    return call.invalid("past_key and past_value; got lengths {} and {}, need one", problem.k.length - now,
                        problem.v.length - now);
  problem.past = problem.k.length - now;
  ASSIGN_OR_RETURN(problem.bias, read_mask(call, problem));
  ASSIGN_OR_RETURN(problem.valid, read_valid_lengths(call, problem.q.batch, problem.k.length));

  const Heads<C>& heads = problem.q;
  const int64_t size = problem.v.size;
  WideOutput<C> scores;
  if (call.wants(kScores)) {
    ASSIGN_OR_RETURN(scores, WideOutput<C>::make(call, kScores, q.dtype(),
                                                 {heads.batch, heads.heads, heads.length, problem.k.length}));
    problem.scores = scores.data();
  }
  const bool heads_in_rows = q.rank() == 3;
  const Dims dims = heads_in_rows ? Dims{heads.batch, heads.length, heads.heads * size}
                                  : Dims{heads.batch, heads.heads, heads.length, size};
  // Without its first output there may still be others to compute.
  WideOutput<C> y;
  Scratch<C> unwanted;
  if (call.wants(kResult)) {
    ASSIGN_OR_RETURN(y, WideOutput<C>::make(call, kResult, q.dtype(), dims));
    problem.result = y.data();
  } else {
    ASSIGN_OR_RETURN(unwanted, Scratch<C>::make(call, {heads.batch, heads.heads, heads.length, size}));
    problem.result = unwanted.data();
  }
  problem.result_batch_stride = heads.heads * heads.length * size;
  problem.result_head_stride = heads_in_rows ? size : heads.length * size;
  problem.result_row_stride = heads_in_rows ? heads.heads * size : size;
  TRY(attend_all(call, problem));
  if (call.wants(kResult)) y.finish(call);
  if (call.wants(kScores)) scores.finish(call);
  return {};
}

}  // namespace

Result<> run_attention(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* q, call.tensor(kQuery));
  ASSIGN_OR_RETURN(const Tensor* k, call.tensor(kKey));
  ASSIGN_OR_RETURN(const Tensor* v, call.tensor(kValue));
  for (const Tensor* operand : {q, k, v})
    if ((operand->rank() != 3 && operand->rank() != 4) || operand->rank() != q->rank())
      return call.invalid("Q, K and V; got {}, {} and {}, need three or four dimensions each", to_string(q->dims()),
                          to_string(k->dims()), to_string(v->dims()));
  if (k->dtype() != q->dtype())
    return call.invalid("element types of Q and K; got {} and {}, need one", to_string(q->dtype()),
                        to_string(k->dtype()));
  // Values may be of another type than queries: the wider one computes.
  const DType working = v->dtype() == DType::F64 ? DType::F64 : q->dtype();
  return in_working_float(call, working, [&]<class C>() { return attention<C>(call, *q, *k, *v); });
}

}  // namespace hearth::operators
