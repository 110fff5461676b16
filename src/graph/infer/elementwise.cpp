#include "graph/infer/table.h"
#include "tensor/element_bits.h"

namespace hearth::graph::infer {

namespace {

Result<> same(InferContext& c) {
  c.same_shape();
  return {};
}

// The same shape, and an axis that must exist.
template <int64_t kDefaultAxis>
Result<> same_along_axis(InferContext& c) {
  c.same_shape();
  const Shape* shape = c.shape(0);
  if (shape == nullptr || c.opset() < 11) return {};  // before, an axis of [0, rank] cut the shape in two
  const int64_t axis = c.node().int_or("axis", kDefaultAxis);
  // Until 13 the axis of the softmax family was where the shape was cut.
  if (c.opset() < 13 && axis == static_cast<int64_t>(shape->size())) return {};
  if (shape->empty() && (axis == -1 || axis == 0)) return {};
  TRY(c.axis(axis, shape->size()));
  return {};
}
Result<> softmax(InferContext& c) {
  return c.opset() < 13 ? same_along_axis<1>(c) : same_along_axis<-1>(c);
}

Result<> cumulate(InferContext& c) {
  c.same_shape();
  const auto axis = c.integer(1);
  if (const Shape* shape = c.shape(0); shape != nullptr && axis) TRY(c.axis(*axis, shape->size()));
  return {};
}

Result<> broadcast_all(InferContext& c) {
  const Shape* first = c.shape(0);
  if (first == nullptr) return {};
  Shape result = *first;
  for (size_t i = 1; i < c.input_count(); ++i) {
    if (!c.has(i)) continue;
    const Shape* other = c.shape(i);
    if (other == nullptr) return {};
    auto both = broadcast(result, *other);
    if (!both) return c.invalid("sizes do not broadcast; got {}", c.describe_inputs());
    result = std::move(*both);
  }
  c.set_shape(0, std::move(result));
  return {};
}

// Before opset 7 the second operand followed the first one's shape.
Result<> binary(InferContext& c) {
  return c.opset() < 7 ? same(c) : broadcast_all(c);
}

Result<> prelu(InferContext& c) {
  c.same_shape();
  const Shape *x = c.shape(0), *slope = c.shape(1);
  if (x == nullptr || slope == nullptr || c.opset() < 7) return {};
  if (const auto both = broadcast(*x, *slope); !both || both->size() != x->size())
    return c.invalid("slope does not broadcast to the input; got {}", c.describe_inputs());
  return {};
}

Result<> cast(InferContext& c) {
  c.same_shape();
  if (c.opset() < 6) return {};  // the type was a word then
  ASSIGN_OR_RETURN(const auto to, c.dtype_attribute("to"));
  if (to) c.set_dtype(0, *to);
  return {};
}

Result<> bit_cast(InferContext& c) {
  TRY(cast(c));
  const auto from = c.dtype(0), to = c.output(0).dtype;
  if (from && to && bits_of(*from) != bits_of(*to))
    return c.invalid("attribute 'to'; got {} of {} bits for {} of {}", onnx_name(*to), bits_of(*to), onnx_name(*from),
                     bits_of(*from));
  return {};
}

Result<> cast_like(InferContext& c) {
  c.same_shape();
  if (const auto to = c.dtype(1)) c.set_dtype(0, *to);
  return {};
}

Result<> quantize_linear(InferContext& c) {
  c.same_shape();
  if (c.has(2)) {
    if (const auto zero = c.dtype(2)) c.set_dtype(0, *zero);
  } else if (c.node().int_or("output_dtype", 0) != 0) {
    ASSIGN_OR_RETURN(const auto dtype, c.dtype_attribute("output_dtype"));
    c.set_dtype(0, *dtype);
  } else {
    c.set_dtype(0, DType::U8);
  }
  return {};
}

Result<> dequantize_linear(InferContext& c) {
  c.same_shape();
  if (c.node().int_or("output_dtype", 0) != 0) {
    ASSIGN_OR_RETURN(const auto dtype, c.dtype_attribute("output_dtype"));
    c.set_dtype(0, *dtype);
  } else if (c.opset() >= 19) {
    if (const auto scale = c.dtype(1)) c.set_dtype(0, *scale);
  }
  return {};
}

Result<> dynamic_quantize_linear(InferContext& c) {
  c.same_shape();
  c.set_shape(1, {});
  c.set_shape(2, {});
  return {};
}

Result<> dropout(InferContext& c) {
  c.same_shape(0, 0);
  c.same_shape(0, 1);
  return {};
}

// A shape and perhaps another element type.
Result<> like(InferContext& c) {
  c.same_shape();
  ASSIGN_OR_RETURN(const auto dtype, c.dtype_attribute("dtype"));
  if (dtype)
    c.set_dtype(0, *dtype);
  else if (c.dtype(0))
    c.set_dtype(0, *c.dtype(0));
  return {};
}

Result<> eye_like(InferContext& c) {
  TRY(c.need_rank(0, 2));
  return like(c);
}

Result<> identity(InferContext& c) {
  if (c.input(0).kind != TypeKind::Unknown) c.set_type(0, c.input(0));
  return {};
}

Result<> trilu(InferContext& c) {
  c.same_shape();
  if (const Shape* shape = c.shape(0); shape != nullptr && shape->size() < 2)
    return c.invalid("dimensions of input {}; need at least 2", c.describe(0));
  return {};
}

Result<> tensor_scatter(InferContext& c) {
  c.same_shape();
  const Shape *cache = c.shape(0), *update = c.shape(1);
  if (cache == nullptr || update == nullptr) return {};
  TRY(c.need_rank(1, cache->size()));
  ASSIGN_OR_RETURN(const size_t axis, c.axis(c.node().int_or("axis", -2), cache->size()));
  for (size_t i = 0; i < cache->size(); ++i) {
    const bool fits = i == axis ? !(*cache)[i].known() || (*update)[i].size <= (*cache)[i].size
                                : same_size((*cache)[i], (*update)[i]).has_value();
    if (!fits) return c.invalid("update does not fit the cache; got {}", c.describe_inputs());
  }
  return {};
}

constexpr InferEntry kTable[] = {
    {"Abs", same},
    {"Acos", same},
    {"Acosh", same},
    {"Add", binary},
    {"And", binary},
    {"Asin", same},
    {"Asinh", same},
    {"Atan", same},
    {"Atanh", same},
    {"Bernoulli", like},
    {"BitCast", bit_cast},
    {"BitShift", broadcast_all},
    {"BitwiseAnd", broadcast_all},
    {"BitwiseNot", same},
    {"BitwiseOr", broadcast_all},
    {"BitwiseXor", broadcast_all},
    {"Cast", cast},
    {"CastLike", cast_like},
    {"Ceil", same},
    {"Celu", same},
    {"Clip", same},
    {"Cos", same},
    {"Cosh", same},
    {"CumProd", cumulate},
    {"CumSum", cumulate},
    {"DequantizeLinear", dequantize_linear},
    {"Div", binary},
    {"Dropout", dropout},
    {"DynamicQuantizeLinear", dynamic_quantize_linear},
    {"Elu", same},
    {"Equal", binary},
    {"Erf", same},
    {"Exp", same},
    {"EyeLike", eye_like},
    {"Floor", same},
    {"Gelu", same},
    {"Greater", binary},
    {"GreaterOrEqual", broadcast_all},
    {"GroupNormalization", same},
    {"HardSigmoid", same},
    {"HardSwish", same},
    {"Hardmax", softmax},
    {"Identity", identity},
    {"InstanceNormalization", same},
    {"IsInf", same},
    {"IsNaN", same},
    {"LRN", same},
    {"LeakyRelu", same},
    {"Less", binary},
    {"LessOrEqual", broadcast_all},
    {"Log", same},
    {"LogSoftmax", softmax},
    {"LpNormalization", same_along_axis<-1>},
    {"Max", broadcast_all},
    {"Mean", broadcast_all},
    {"MeanVarianceNormalization", same},
    {"Min", broadcast_all},
    {"Mish", same},
    {"Mod", broadcast_all},
    {"Mul", binary},
    {"Neg", same},
    {"Not", same},
    {"Or", binary},
    {"PRelu", prelu},
    {"Pow", binary},
    {"QuantizeLinear", quantize_linear},
    {"RandomNormalLike", like},
    {"RandomUniformLike", like},
    {"Reciprocal", same},
    {"Relu", same},
    {"ReverseSequence", same},
    {"RMSNormalization", same_along_axis<-1>},
    {"Round", same},
    {"Selu", same},
    {"Shrink", same},
    {"Sigmoid", same},
    {"Sign", same},
    {"Sin", same},
    {"Sinh", same},
    {"Softmax", softmax},
    {"Softplus", same},
    {"Softsign", same},
    {"Sqrt", same},
    {"Sub", binary},
    {"Sum", broadcast_all},
    {"Swish", same},
    {"Tan", same},
    {"Tanh", same},
    {"TensorScatter", tensor_scatter},
    {"ThresholdedRelu", same},
    {"Trilu", trilu},
    {"Where", broadcast_all},
    {"Xor", binary},
};

}  // namespace

std::span<const InferEntry> elementwise_inference() {
  return kTable;
}

}  // namespace hearth::graph::infer
