#include "passes/quantised_products.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "passes/pointwise_steps.h"
#include "passes/quantisation.h"
#include "passes/window.h"

namespace hearth::passes {

using graph::kNoValue;
using graph::Node;
using graph::Shape;
using graph::Uses;
using graph::ValueId;

namespace {

// Inputs of the quantised operators (graph/internal_operators.h).
constexpr size_t kBias = 2, kAdded = 7, kInputs = 8;

ValueId input_of(const Node& node, size_t i) {
  return i < node.inputs.size() ? node.inputs[i] : kNoValue;
}

std::string name_of(const Matcher& matcher, ValueId id) {
  return matcher.graph().value(id).name;
}

bool is_byte(const Matcher& matcher, ValueId id) {
  if (id == kNoValue) return false;
  const auto& dtype = matcher.graph().value(id).type.dtype;
  return dtype == DType::U8 || dtype == DType::I8;
}

// One element in every run.
bool is_number(const Matcher& matcher, ValueId id) {
  const Shape* shape = matcher.shape(id);
  return shape != nullptr && (shape->empty() || (shape->size() == 1 && (*shape)[0].size == 1));
}

template <class T>
Tensor vector_of(DType dtype, const std::vector<T>& values) {
  return Tensor::of<T>(dtype, {static_cast<int64_t>(values.size())}, std::span<const T>(values));
}

// What a product is made of; `node` becomes the internal operator.
struct Product {
  ValueId left = kNoValue, left_zero = kNoValue, factor = kNoValue;
  ByteWeights weights;
  std::vector<float> scales;  // of the sums, by column
  ValueId bias = kNoValue;    // [n], float32 or int32
};

bool all_finite(const std::vector<float>& numbers) {
  return std::ranges::all_of(numbers, [](float x) { return std::isfinite(x); });
}

// The zero point as an input: absent when it is 0 for sure.
ValueId zero_input(const Matcher& matcher, ValueId id) {
  const Tensor* held = matcher.constant(id);
  if (held != nullptr && held->size() == 1 && *held->data<uint8_t>() == 0) return kNoValue;
  return id;
}

void place(Matcher& matcher, int32_t at, Node made, Product product, std::string_view op_type) {
  const std::string name = name_of(matcher, matcher.node(at).outputs[0]);
  std::vector<ValueId> inputs(kAdded, kNoValue);
  inputs[0] = product.left;
  inputs[1] = matcher.add_constant(name + "/weights", std::move(product.weights.values));
  inputs[kBias] = product.bias;
  inputs[3] = matcher.add_constant(name + "/scale", vector_of(DType::F32, product.scales));
  inputs[4] = zero_input(matcher, product.left_zero);
  if (!product.weights.zeros.empty())
    inputs[5] = matcher.add_constant(name + "/weight_zeros", vector_of(DType::I32, product.weights.zeros));
  inputs[6] = product.factor;
  Node whole = internal_node(op_type, matcher.node(at).name, std::move(inputs), matcher.node(at).outputs[0]);
  for (graph::Attribute& attribute : made.attributes) whole.attributes.push_back(std::move(attribute));
  matcher.replace(at, std::move(whole));
}

void set_quantum(Node& node, std::string_view prefix, const Quantisation& how, ByteRange range) {
  node.set(fmt::format("{}_type", prefix), std::string(how.dtype == DType::I8 ? "i8" : "u8"));
  node.set(fmt::format("{}_scale", prefix), how.scales[0]);
  node.set(fmt::format("{}_zero", prefix), static_cast<int64_t>(how.zeros[0]));
  node.set(fmt::format("{}_low", prefix), static_cast<int64_t>(range.low));
  node.set(fmt::format("{}_high", prefix), static_cast<int64_t>(range.high));
}

// The attributes of a convolution over x, channels first; nullopt when the internal operator cannot serve it.
std::optional<Node> conv_attributes(const Matcher& matcher, const Node& node, ValueId x, const Tensor& w) {
  const Shape* shape = matcher.shape(x);
  if (shape == nullptr) return std::nullopt;
  const auto window = conv_window(node, *shape, w.dims());
  if (!window) return std::nullopt;
  Node made;
  set_window(made, *window);
  const int64_t group = node.int_or("group", 1);
  made.set("group", group);
  made.set("channels", w.dim(1) * group);
  made.set("out_channels", w.dim(0));
  made.set("channels_first", int64_t{1});
  return made;
}

std::optional<Node> matmul_attributes(const Matcher& matcher, ValueId a, const Tensor& b) {
  const Shape* shape = matcher.shape(a);
  if (shape == nullptr || shape->size() < 2 || (shape->back().known() && shape->back().size != b.dim(0)))
    return std::nullopt;
  Node made;
  made.set("k", b.dim(0));
  made.set("n", b.dim(1));
  return made;
}

constexpr std::string_view kConv = "QuantisedConv", kMatMul = "QuantisedMatMul";

const Node* product_node(const Matcher& matcher, ValueId id) {
  const int32_t at = matcher.producer(id);
  if (at == Uses::kNone) return nullptr;
  const Node& node = matcher.node(at);
  return Matcher::is_internal(node, kConv) || Matcher::is_internal(node, kMatMul) ? &node : nullptr;
}

}  // namespace

Result<bool> take_dequantised_product(Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  const bool conv = matcher.is(node, "Conv"), gemm = matcher.is(node, "Gemm");
  if ((!conv && !gemm && !matcher.is(node, "MatMul")) || node.inputs.size() < 2) return false;
  if (gemm && node.int_or("transA", 0) != 0) return false;
  const auto left = dequantised(matcher, node.inputs[0]);
  if (!left) return false;
  const WeightForm form = conv                                    ? WeightForm::Conv
                          : gemm && node.int_or("transB", 0) != 0 ? WeightForm::TransposedMatrix
                                                                  : WeightForm::Matrix;
  ASSIGN_OR_RETURN(auto weights, byte_weights(matcher, node.inputs[1], form));
  if (!weights) return false;
  auto attributes = conv ? conv_attributes(matcher, node, left->bytes, weights->values)
                         : matmul_attributes(matcher, left->bytes, weights->values);
  if (!attributes) return false;
  const auto n = static_cast<int64_t>(weights->scales.size());

  Product product{.left = left->bytes, .left_zero = left->how.zero_id, .weights = std::move(*weights)};
  const float alpha = gemm ? node.float_or("alpha", 1) : 1;
  for (const float scale : product.weights.scales) product.scales.push_back(left->how.scales[0] * scale * alpha);
  if (!all_finite(product.scales)) return false;
  const float beta = gemm ? node.float_or("beta", 1) : 1;
  if (const ValueId id = input_of(node, 2); id != kNoValue && beta != 0) {
    auto bias = numbers_along(matcher, id, n, conv ? 1 : 2, conv ? 0 : 1);
    if (!bias) return false;
    for (float& x : *bias) x *= beta;
    product.bias = matcher.add_constant(name_of(matcher, id), vector_of(DType::F32, *bias));
  }
  place(matcher, at, std::move(*attributes), std::move(product), conv ? kConv : kMatMul);
  return true;
}

Result<bool> take_linear_product(Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  const bool conv = matcher.is(node, "QLinearConv");
  if ((!conv && !matcher.is(node, "QLinearMatMul")) || node.inputs.size() < 8) return false;
  // One scale and zero point: of the left factor (1, 2) and of the result (6, 7).
  const auto number = [&](size_t i) {
    const Tensor* held = matcher.float_constant(node.inputs[i]);
    return held != nullptr && held->size() == 1 ? std::optional(*held->data<float>()) : std::nullopt;
  };
  const auto zero = [&](size_t i) -> const Tensor* {
    const Tensor* held = matcher.constant(node.inputs[i]);
    return held != nullptr && held->size() == 1 && is_byte(matcher, node.inputs[i]) ? held : nullptr;
  };
  const auto left_scale = number(1), out_scale = number(6);
  const Tensor *left_zero = zero(2), *out_zero = zero(7), *elements = matcher.constant(node.inputs[3]),
               *scales = matcher.float_constant(node.inputs[4]), *zeros = matcher.constant(node.inputs[5]);
  if (!left_scale || !out_scale || left_zero == nullptr || out_zero == nullptr || elements == nullptr ||
      scales == nullptr || zeros == nullptr || !is_byte(matcher, node.inputs[0]))
    return false;
  if (zeros->dtype() != elements->dtype() || scales->size() == 0 || zeros->size() == 0 || scales->rank() > 1 ||
      zeros->rank() > 1)
    return false;
  std::vector<int32_t> zero_numbers;
  for (int64_t i = 0; i < zeros->size(); ++i)
    zero_numbers.push_back(zeros->dtype() == DType::I8 ? zeros->data<int8_t>()[i] : zeros->data<uint8_t>()[i]);
  ASSIGN_OR_RETURN(auto weights,
                   byte_weights(*elements, conv ? WeightForm::Conv : WeightForm::Matrix,
                                {scales->data<float>(), scales->data<float>() + scales->size()}, zero_numbers));
  if (!weights) return false;
  auto attributes = conv ? conv_attributes(matcher, node, node.inputs[0], weights->values)
                         : matmul_attributes(matcher, node.inputs[0], weights->values);
  if (!attributes) return false;
  Product product{.left = node.inputs[0], .left_zero = node.inputs[2], .weights = std::move(*weights)};
  // As the operator itself computes it: the sum times one float.
  for (const float scale : product.weights.scales) product.scales.push_back(*left_scale * scale / *out_scale);
  if (!all_finite(product.scales)) return false;
  if (const ValueId id = conv ? input_of(node, 8) : kNoValue; id != kNoValue) {
    const Tensor* bias = matcher.constant(id);
    if (bias == nullptr || bias->dtype() != DType::I32 ||
        bias->dims() != Dims{static_cast<int64_t>(product.scales.size())})
      return false;
    product.bias = id;
  }
  Quantisation out{.dtype = out_zero->dtype(), .scales = {1.0f}, .zeros = {0}};
  out.zeros[0] = out.dtype == DType::I8 ? *out_zero->data<int8_t>() : *out_zero->data<uint8_t>();
  set_quantum(*attributes, "out", out, {out.least(), out.most()});
  place(matcher, at, std::move(*attributes), std::move(product), conv ? kConv : kMatMul);
  return true;
}

Result<bool> take_integer_product(Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  if (!matcher.is_binary(node, "Mul") || !matcher.is_float(node.outputs[0])) return false;
  for (const size_t side : {0, 1}) {
    const ValueId sums = node.inputs[side], scale = node.inputs[1 - side];
    const Node* cast = matcher.sole_maker(sums, "Cast");
    const Node* integer = cast != nullptr ? matcher.sole_maker(cast->inputs[0], "MatMulInteger") : nullptr;
    if (cast != nullptr && integer == nullptr) integer = matcher.sole_maker(cast->inputs[0], "ConvInteger");
    const Shape* shape = matcher.shape(sums);
    if (integer == nullptr || shape == nullptr || !matcher.is_float(sums)) continue;
    const bool conv = integer->op_type == "ConvInteger";
    const ValueId left = integer->inputs[0], left_zero = input_of(*integer, 2), right_zero = input_of(*integer, 3);
    if (!is_byte(matcher, left) || (left_zero != kNoValue && !is_number(matcher, left_zero))) continue;
    const Tensor* elements = matcher.constant(integer->inputs[1]);
    if (elements == nullptr) continue;
    std::vector<int32_t> zeros = {0};
    if (right_zero != kNoValue) {
      const Tensor* held = matcher.constant(right_zero);
      if (held == nullptr || held->dtype() != elements->dtype() || held->rank() > 1 || held->size() == 0) continue;
      zeros.clear();
      for (int64_t i = 0; i < held->size(); ++i)
        zeros.push_back(held->dtype() == DType::I8 ? held->data<int8_t>()[i] : held->data<uint8_t>()[i]);
    }
    ASSIGN_OR_RETURN(auto weights,
                     byte_weights(*elements, conv ? WeightForm::Conv : WeightForm::Matrix, {1.0f}, zeros));
    if (!weights) continue;
    auto attributes = conv ? conv_attributes(matcher, *integer, left, weights->values)
                           : matmul_attributes(matcher, left, weights->values);
    if (!attributes) continue;

    // The scale: constants of the columns, a number that is known when it runs, or the product of both.
    const size_t rank = shape->size(), axis = conv ? 1 : rank - 1;
    const auto n = static_cast<int64_t>(weights->scales.size());
    Product product{.left = left, .left_zero = left_zero, .weights = std::move(*weights)};
    const auto columns = [&](ValueId id) { return numbers_along(matcher, id, n, rank, axis); };
    if (auto constant = columns(scale)) {
      product.scales = std::move(*constant);
    } else if (is_number(matcher, scale) && matcher.producer(scale) == Uses::kNone) {
      product.factor = scale;
    } else if (const Node* both = matcher.maker(scale, "Mul"); both != nullptr && matcher.is_binary(*both, "Mul")) {
      for (const size_t i : {0, 1})
        if (auto own = columns(both->inputs[i]); own && is_number(matcher, both->inputs[1 - i])) {
          product.scales = std::move(*own);
          product.factor = both->inputs[1 - i];
          break;
        }
    }
    if (product.factor == kNoValue && product.scales.empty() && is_number(matcher, scale)) product.factor = scale;
    if (product.factor == kNoValue && product.scales.empty()) continue;
    if (product.factor != kNoValue && !matcher.is_float(product.factor)) continue;
    if (product.scales.empty()) product.scales.assign(static_cast<size_t>(n), 1.0f);
    place(matcher, at, std::move(*attributes), std::move(product), conv ? kConv : kMatMul);
    return true;
  }
  return false;
}

namespace {

// The product with a constant of the columns added.
Result<bool> add_bias(Matcher& matcher, int32_t at, size_t side) {
  const Node& node = matcher.node(at);
  const Node* product = matcher.sole(node.inputs[side]) ? product_node(matcher, node.inputs[side]) : nullptr;
  const Shape* shape = matcher.shape(node.inputs[side]);
  if (product == nullptr || shape == nullptr || product->has("out_type") || product->has("added_type") ||
      input_of(*product, kBias) != kNoValue)
    return false;
  const bool conv = product->op_type == kConv;
  const ValueId other = node.inputs[1 - side];
  const int64_t n = matcher.constant(product->inputs[3])->size();
  const auto bias = numbers_along(matcher, other, n, shape->size(), conv ? 1 : shape->size() - 1);
  if (!bias) return false;
  Node made = product->clone();
  made.outputs = node.outputs;
  if (made.inputs.size() <= kBias) made.inputs.resize(kBias + 1, kNoValue);
  made.inputs[kBias] = matcher.add_constant(name_of(matcher, other), vector_of(DType::F32, *bias));
  matcher.replace(at, std::move(made));
  return true;
}

// The product that this side of an addition comes from alone, as it would be without what stands between.
std::optional<Node> summand(const Matcher& matcher, ValueId id) {
  if (!matcher.sole(id)) return std::nullopt;
  const Node* product = product_node(matcher, id);
  if (product != nullptr)
    return product->has("out_type") || product->has("added_type") ? std::nullopt : std::optional(product->clone());
  const auto back = dequantised(matcher, id);
  product = back && matcher.sole(back->bytes) ? product_node(matcher, back->bytes) : nullptr;
  if (product == nullptr || product->has("added_type") || product->has("between_type")) return std::nullopt;
  const auto range = [&](std::string_view name) {
    return static_cast<int32_t>(product->int_or(fmt::format("out_{}", name), 0));
  };
  // The model must take back what it has quantised, by the same numbers.
  if (product->float_or("out_scale", 0) != back->how.scales[0] || range("zero") != back->how.zeros[0])
    return std::nullopt;
  Node made = product->clone();
  set_quantum(made, "between", back->how, {range("low"), range("high")});
  std::erase_if(made.attributes, [](const graph::Attribute& attribute) {
    return attribute.name.starts_with("out_") && attribute.name != "out_channels";
  });
  return made;
}

}  // namespace

Result<bool> add_to_product(Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  if (!matcher.is_binary(node, "Add") || !matcher.is_float(node.outputs[0])) return false;
  for (const size_t side : {0, 1}) {
    ASSIGN_OR_RETURN(const bool added, add_bias(matcher, at, side));
    if (added) return true;
  }
  const Shape* shape = matcher.shape(node.outputs[0]);
  if (shape == nullptr || node.inputs[0] == node.inputs[1]) return false;
  // Of two products the later one: what it makes is still in the cache.
  const bool swapped = matcher.producer(node.inputs[1]) > matcher.producer(node.inputs[0]);
  for (const size_t side : {swapped ? 1 : 0, swapped ? 0 : 1}) {
    const auto other = dequantised(matcher, node.inputs[1 - side]);
    auto made = other ? summand(matcher, node.inputs[side]) : std::nullopt;
    if (!made) continue;
    const Shape *own = matcher.shape(node.inputs[side]), *theirs = matcher.shape(other->bytes);
    if (own == nullptr || theirs == nullptr || !same_shape(*own, *shape) || !same_shape(*theirs, *shape)) continue;
    made->inputs.resize(kInputs, kNoValue);
    made->inputs[kAdded] = other->bytes;
    made->outputs = node.outputs;
    set_quantum(*made, "added", other->how, {other->how.least(), other->how.most()});
    matcher.replace(at, std::move(*made));
    return true;
  }
  return false;
}

std::optional<ByteRange> clamp_of(const Matcher& matcher, const Node& node, const Quantisation& how) {
  ByteRange range{how.least(), how.most()};
  if (matcher.is(node, "Relu")) {
    range.low = how.quantised(0);
    return range;
  }
  if (!matcher.is(node, "Clip")) return std::nullopt;
  double low = -std::numeric_limits<double>::infinity(), high = -low;
  if (matcher.opset() < 11) {
    if (node.has("min")) low = node.float_or("min", 0);
    if (node.has("max")) high = node.float_or("max", 0);
  } else {
    for (const size_t i : {1, 2}) {
      if (input_of(node, i) == kNoValue) continue;
      const auto bound = matcher.number(node.inputs[i]);
      if (!bound || std::isnan(*bound)) return std::nullopt;
      (i == 1 ? low : high) = *bound;
    }
  }
  if (!(low <= high)) return std::nullopt;
  return ByteRange{how.quantised(low), how.quantised(high)};
}

bool quantise_product(Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  if (!matcher.is(node, "QuantizeLinear")) return false;
  const auto how = quantisation_of(matcher, node);
  if (!how || !how->whole()) return false;
  // Rounding keeps the order of numbers: a clamp of them is one of the elements. The last one holds.
  ByteRange range{how->least(), how->most()};
  ValueId id = node.inputs[0];
  const Node* product = nullptr;
  for (int depth = 0; depth < 4 && product == nullptr; ++depth) {
    if (!matcher.sole(id) || matcher.producer(id) == Uses::kNone) return false;
    product = product_node(matcher, id);
    if (product != nullptr) break;
    const Node& clamp = matcher.node(matcher.producer(id));
    const auto before = clamp_of(matcher, clamp, *how);
    if (!before) return false;
    range = {std::clamp(before->low, range.low, range.high), std::clamp(before->high, range.low, range.high)};
    id = clamp.inputs[0];
  }
  if (product == nullptr || product->has("out_type")) return false;
  Node made = product->clone();
  made.outputs = node.outputs;
  set_quantum(made, "out", *how, range);
  matcher.replace(at, std::move(made));
  return true;
}

}  // namespace hearth::passes
