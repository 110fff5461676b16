#include "passes/quantisation.h"

#include <algorithm>
#include <cmath>

namespace hearth::passes {

using graph::kNoValue;
using graph::Node;
using graph::ValueId;

namespace {

int32_t element(const Tensor& tensor, int64_t i) {
  switch (tensor.dtype()) {
    case DType::I8:
      return tensor.data<int8_t>()[i];
    case DType::U8:
      return tensor.data<uint8_t>()[i];
    default:
      return tensor.data<int32_t>()[i];
  }
}

bool is_byte(DType dtype) {
  return dtype == DType::U8 || dtype == DType::I8;
}

ValueId input_of(const Node& node, size_t i) {
  return i < node.inputs.size() ? node.inputs[i] : kNoValue;
}

}  // namespace

int32_t Quantisation::quantised(double number) const {
  const float quotient = static_cast<float>(number) / scales[0];
  const float low = static_cast<float>(least() - zeros[0]), high = static_cast<float>(most() - zeros[0]);
  const float held = quotient > low ? std::min(quotient, high) : low;  // NaN: the least
  return static_cast<int32_t>(std::nearbyint(held)) + zeros[0];
}

std::optional<Quantisation> quantisation_of(const Matcher& matcher, const Node& node) {
  const bool back = matcher.is(node, "DequantizeLinear");
  if ((!back && !matcher.is(node, "QuantizeLinear")) || node.inputs.size() < 2 || node.outputs.size() != 1)
    return std::nullopt;
  const ValueId number = back ? node.outputs[0] : node.inputs[0], integer = back ? node.inputs[0] : node.outputs[0];
  if (number == kNoValue || integer == kNoValue || !matcher.is_float(number)) return std::nullopt;
  const Tensor* scale = matcher.float_constant(node.inputs[1]);
  const graph::Type& type = matcher.graph().value(integer).type;
  if (scale == nullptr || scale->rank() > 1 || scale->size() == 0 || !type.dtype) return std::nullopt;
  if (node.int_or("block_size", 0) != 0 || node.int_or("precision", 0) > 1) return std::nullopt;
  Quantisation how;
  how.dtype = *type.dtype;
  if (!is_byte(how.dtype) && !(back && how.dtype == DType::I32)) return std::nullopt;
  how.scales.assign(scale->data<float>(), scale->data<float>() + scale->size());
  if (std::ranges::any_of(how.scales, [](float s) { return !(s > 0) || !std::isfinite(s) || !std::isfinite(1 / s); }))
    return std::nullopt;
  how.zeros.assign(how.scales.size(), 0);
  if (const ValueId id = input_of(node, 2); id != kNoValue) {
    const Tensor* zero = matcher.constant(id);
    if (zero == nullptr || zero->dtype() != how.dtype || (zero->size() != 1 && zero->size() != scale->size()))
      return std::nullopt;
    for (size_t i = 0; i < how.zeros.size(); ++i)
      how.zeros[i] = element(*zero, zero->size() == 1 ? 0 : static_cast<int64_t>(i));
    how.zero_id = id;
  }
  if (how.scales.size() > 1) {
    const graph::Shape* shape = matcher.shape(integer);
    if (shape == nullptr) return std::nullopt;
    const auto rank = static_cast<int64_t>(shape->size());
    how.axis = rank == 1 ? 0 : node.int_or("axis", 1);
    if (how.axis < 0) how.axis += rank;
    if (how.axis < 0 || how.axis >= rank) return std::nullopt;
  }
  return how;
}

std::optional<Dequantised> dequantised(const Matcher& matcher, ValueId id) {
  const Node* node = matcher.maker(id, "DequantizeLinear");
  if (node == nullptr) return std::nullopt;
  auto how = quantisation_of(matcher, *node);
  if (!how || !how->whole() || !is_byte(how->dtype)) return std::nullopt;
  return Dequantised{node->inputs[0], std::move(*how)};
}

Result<std::optional<ByteWeights>> byte_weights(const Tensor& elements, WeightForm form,
                                                const std::vector<float>& scales, const std::vector<int32_t>& zeros) {
  if (!is_byte(elements.dtype()) || elements.size() == 0) return std::nullopt;
  if (form == WeightForm::Conv ? elements.rank() < 3 : elements.rank() != 2) return std::nullopt;
  const bool turned = form == WeightForm::TransposedMatrix;
  const int64_t n = elements.dim(form == WeightForm::Matrix ? 1 : 0);
  const auto fits = [&](size_t count) { return count == 1 || count == static_cast<size_t>(n); };
  if (!fits(scales.size()) || !fits(zeros.size())) return std::nullopt;
  const bool flip = elements.dtype() == DType::U8;
  ByteWeights made;
  if (!flip && !turned) {
    made.values = elements;
  } else {
    const Dims dims = turned ? Dims{elements.dim(1), n} : elements.dims();
    ASSIGN_OR_RETURN(made.values, Tensor::allocate(DType::I8, dims));
    const auto* from = elements.data<uint8_t>();
    auto* to = made.values.mutable_data<uint8_t>();
    const uint8_t sign = flip ? 128 : 0;
    const int64_t k = elements.size() / n;
    if (turned) {
      for (int64_t i = 0; i < k; ++i)
        for (int64_t j = 0; j < n; ++j) to[i * n + j] = from[j * k + i] ^ sign;
    } else {
      for (int64_t i = 0; i < elements.size(); ++i) to[i] = from[i] ^ sign;
    }
  }
  made.scales = scales;
  made.scales.resize(static_cast<size_t>(n), scales[0]);
  made.zeros = zeros;
  made.zeros.resize(static_cast<size_t>(n), zeros[0]);
  if (flip)
    for (int32_t& zero : made.zeros) zero -= 128;
  if (std::ranges::all_of(made.zeros, [](int32_t zero) { return zero == 0; })) made.zeros.clear();
  return made;
}

Result<std::optional<ByteWeights>> byte_weights(const Matcher& matcher, ValueId id, WeightForm form) {
  if (const Node* turn = matcher.maker(id, "Transpose"); turn != nullptr && form != WeightForm::Conv) {
    const graph::Shape* shape = matcher.shape(id);
    const auto perm = turn->ints("perm");
    if (shape == nullptr || shape->size() != 2 || (!perm.empty() && perm[0] != 1)) return std::nullopt;
    id = turn->inputs[0];
    form = form == WeightForm::Matrix ? WeightForm::TransposedMatrix : WeightForm::Matrix;
  }
  const Node* node = matcher.maker(id, "DequantizeLinear");
  const auto how = node != nullptr ? quantisation_of(matcher, *node) : std::nullopt;
  const Tensor* elements = how ? matcher.constant(node->inputs[0]) : nullptr;
  if (elements == nullptr || (!how->whole() && how->axis != (form == WeightForm::Matrix ? 1 : 0))) return std::nullopt;
  return byte_weights(*elements, form, how->scales, how->zeros);
}

std::optional<std::vector<float>> numbers_along(const Matcher& matcher, ValueId id, int64_t n, size_t rank,
                                                size_t axis) {
  const Tensor* held = matcher.float_constant(id);
  std::optional<Quantisation> how;
  if (held == nullptr) {
    const Node* node = matcher.maker(id, "DequantizeLinear");
    if (node != nullptr) how = quantisation_of(matcher, *node);
    if (!how || (held = matcher.constant(node->inputs[0])) == nullptr) return std::nullopt;
  }
  const Dims& dims = held->dims();
  if (dims.size() > rank || (held->size() != 1 && held->size() != n)) return std::nullopt;
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i] != 1 && i + rank - dims.size() != axis) return std::nullopt;
  std::vector<float> made(static_cast<size_t>(n));
  for (size_t i = 0; i < made.size(); ++i) {
    const size_t at = held->size() == 1 ? 0 : i;
    if (!how) {
      made[i] = held->data<float>()[at];
    } else {
      const size_t of = how->whole() ? 0 : at;
      const auto difference = static_cast<double>(element(*held, static_cast<int64_t>(at))) - how->zeros[of];
      made[i] = static_cast<float>(difference) * how->scales[of];
    }
  }
  return made;
}

}  // namespace hearth::passes
