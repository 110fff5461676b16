// FlexAttention: attention whose scores and probabilities may pass through graphs of the model. The graphs see the
// whole tensor, so here it lies in memory.
#include <algorithm>

#include "graph/type.h"
#include "operators/matrix/heads.h"
#include "operators/matrix/kernels.h"

namespace hearth::operators {

namespace {

// The type that scores and probabilities have where graphs see them.
Result<DType> read_precision(const Call& call, DType operands) {
  if (!call.node().has("softmax_precision")) return operands == DType::F64 ? DType::F64 : DType::F32;
  const int64_t number = call.node().int_or("softmax_precision", 1);
  const auto precision = graph::dtype_from_onnx(number);
  if (precision != DType::F32 && precision != DType::F64 && precision != DType::F16 && precision != DType::BF16)
    return call.invalid("attribute 'softmax_precision'; got {}, need the number of a floating-point type", number);
  return *precision;
}

// values = graph(values), as a tensor of `precision`; nothing when the node has no such graph.
template <class C>
Result<> apply_graph(Call& call, std::string_view attribute, DType precision, const Dims& dims, C* values) {
  if (call.node().graph(attribute) == nullptr) return {};
  ASSIGN_OR_RETURN(Tensor given, Tensor::allocate(precision, dims, call.memory()));
  const int64_t count = given.size();
  narrow(values, count, precision, given.mutable_raw());
  std::vector<Value> inputs;
  inputs.push_back(Value(std::move(given)));
  ASSIGN_OR_RETURN(const auto results, call.run_graph(attribute, std::move(inputs)));
  const Tensor* made = results.size() == 1 ? results[0].tensor() : nullptr;
  if (made == nullptr || made->dtype() != precision || made->dims() != dims)
    return call.invalid("graph '{}'; got {}, need one tensor {}{}", attribute,
                        made == nullptr ? fmt::format("{} results", results.size())
                                        : fmt::format("{}{}", to_string(made->dtype()), to_string(made->dims())),
                        to_string(precision), to_string(dims));
  widen(precision, made->raw(), count, values);
  return {};
}

template <class C>
Result<> flex_attention(Call& call, const Tensor& q_tensor, const Tensor& k_tensor, const Tensor& v_tensor,
                        DType precision) {
  ASSIGN_OR_RETURN(const auto q_data, Wide<C>::make(call, q_tensor));
  ASSIGN_OR_RETURN(const auto k_data, Wide<C>::make(call, k_tensor));
  ASSIGN_OR_RETURN(const auto v_data, Wide<C>::make(call, v_tensor));
  const auto q = heads_first(q_data.data(), q_tensor.dims()), k = heads_first(k_data.data(), k_tensor.dims()),
             v = heads_first(v_data.data(), v_tensor.dims());
  ASSIGN_OR_RETURN(auto y, WideOutput<C>::make(call, 0, q_tensor.dtype(), {q.batch, q.heads, q.length, v.size}));
  const Dims dims{q.batch, q.heads, q.length, k.length};
  ASSIGN_OR_RETURN(const auto scores, Scratch<C>::make(call, {dims[0], dims[1], dims[2], dims[3]}));
  const int64_t products = q.batch * q.heads, group = k.heads > 0 ? q.heads / k.heads : 1;
  const int64_t rows = products * q.length, keys = k.length, plane = q.length * keys;
  TRY(multiply_all<C>(call, products, q.length, keys, q.size, [&](int64_t i) {
    const int64_t b = i / q.heads, h = i % q.heads;
    return Product<C>{q.rows(b, h), k.rows(b, h / group).transposed(), scores.data() + i * plane};
  }));
  const double default_scale = 1 / std::sqrt(static_cast<double>(std::max<int64_t>(q.size, 1)));
  const C scale =
      call.node().has("scale") ? static_cast<C>(call.node().float_or("scale", 1)) : static_cast<C>(default_scale);
  for (int64_t i = 0; i < rows * keys; ++i) scores[i] *= scale;
  TRY(apply_graph(call, "score_mod", precision, dims, scores.data()));
  if (keys > 0)
    call.parallel(rows, 1 + (1 << 14) / keys, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) softmax_row<C>(scores.data() + row * keys, keys);
    });
  TRY(apply_graph(call, "prob_mod", precision, dims, scores.data()));
  TRY(multiply_all<C>(call, products, q.length, v.size, keys, [&](int64_t i) {
    const int64_t b = i / q.heads, h = i % q.heads;
    return Product<C>{{scores.data() + i * plane, keys, 1}, v.rows(b, h / group), y.data() + i * q.length * v.size};
  }));
  y.finish(call);
  return {};
}

}  // namespace

Result<> run_flex_attention(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* q, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* k, call.tensor(1));
  ASSIGN_OR_RETURN(const Tensor* v, call.tensor(2));
  for (const Tensor* operand : {q, k, v})
    if (operand->rank() != 4 || operand->dtype() != q->dtype())
      return call.invalid("Q, K and V; got {}{} and {}{}, need four dimensions and one type", to_string(q->dtype()),
                          to_string(q->dims()), to_string(operand->dtype()), to_string(operand->dims()));
  const bool sizes_fit = k->dim(0) == q->dim(0) && v->dim(0) == q->dim(0) && v->dim(1) == k->dim(1) &&
                         v->dim(2) == k->dim(2) && k->dim(3) == q->dim(3);
  if (!sizes_fit || (k->dim(1) < 1 ? q->dim(1) > 0 : q->dim(1) % k->dim(1) != 0))
    return call.invalid(
        "Q, K and V; got {}, {} and {}, need equal batches, lengths of K and V and head sizes of Q and "
        "K, and a multiple of K's heads in Q",
        to_string(q->dims()), to_string(k->dims()), to_string(v->dims()));
  ASSIGN_OR_RETURN(const DType precision, read_precision(call, q->dtype()));
  const DType working = precision == DType::F64 ? DType::F64 : q->dtype();
  return in_working_float(call, working, [&]<class C>() { return flex_attention<C>(call, *q, *k, *v, precision); });
}

}  // namespace hearth::operators
