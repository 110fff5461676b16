#include "operators/fused/quantised_plan.h"

#include <cmath>

namespace hearth::operators::fused {

namespace {

using ops::cpu::ByteType;
using ops::cpu::Quantum;

constexpr int kBias = 2, kScale = 3, kLeftZero = 4, kRightZero = 5, kFactor = 6, kAdded = 7;

// Attributes `prefix`_type, _scale, _zero, _low and _high; nullopt when there is no type.
Result<std::optional<Quantum>> read_quantum(const graph::Node& node, std::string_view prefix) {
  const std::string type = fmt::format("{}_type", prefix), scale = fmt::format("{}_scale", prefix);
  if (!node.has(type)) return std::nullopt;
  Quantum quantum;
  const std::string_view word = node.string_or(type, "");
  if (word != "u8" && word != "i8")
    return fail(ErrorKind::Invalid, "attribute '{}'; got '{}', need u8 or i8", type, word);
  quantum.type = word == "i8" ? ByteType::I8 : ByteType::U8;
  quantum.scale = node.float_or(scale, 1);
  if (!std::isfinite(quantum.scale) || quantum.scale == 0)
    return fail(ErrorKind::Invalid, "attribute '{}'; got {}, need a finite number other than 0", scale, quantum.scale);
  const int64_t least = word == "i8" ? -128 : 0, most = least + 255;
  const auto number = [&](std::string_view name, int64_t otherwise, int64_t from, int32_t& to) -> Result<> {
    const std::string attribute = fmt::format("{}_{}", prefix, name);
    const int64_t value = node.int_or(attribute, otherwise);
    if (value < from || value > most)
      return fail(ErrorKind::Invalid, "attribute '{}'; got {}, need {} to {}", attribute, value, from, most);
    to = static_cast<int32_t>(value);
    return {};
  };
  TRY(number("zero", 0, least, quantum.zero));
  TRY(number("low", least, least, quantum.low));
  TRY(number("high", most, quantum.low, quantum.high));
  return quantum;
}

}  // namespace

std::optional<ByteType> byte_type(DType dtype) {
  if (dtype == DType::U8) return ByteType::U8;
  if (dtype == DType::I8) return ByteType::I8;
  return std::nullopt;
}

Result<> QuantisedPlan::read(const graph::Node& node) {
  ASSIGN_OR_RETURN(out, read_quantum(node, "out"));
  ASSIGN_OR_RETURN(between, read_quantum(node, "between"));
  ASSIGN_OR_RETURN(const auto read, read_quantum(node, "added"));
  if (read) added = *read;
  ASSIGN_OR_RETURN(steps, parse_steps(node.strings("steps"), static_cast<int>(node.inputs.size())));
  return {};
}

DType QuantisedPlan::out_type() const {
  if (!out) return DType::F32;
  return out->type == ByteType::I8 ? DType::I8 : DType::U8;
}

Result<BoundFinish> BoundFinish::bind(const Call& call, const QuantisedPlan& plan, int64_t n, const Dims& dims,
                                      const void* added) {
  BoundFinish bound;
  bound.plan_ = &plan;
  ops::cpu::QuantisedFinish& finish = bound.finish_;
  ASSIGN_OR_RETURN(const Tensor* scale, floats(call, kScale));
  if (scale->size() != n) return call.invalid("scale; got {}, need [{}]", to_string(scale->dims()), n);
  finish.scale = scale->data<float>();
  if (call.has(kBias)) {
    ASSIGN_OR_RETURN(const Tensor* bias, call.tensor(kBias));
    if ((bias->dtype() != DType::F32 && bias->dtype() != DType::I32) || bias->size() != n)
      return call.invalid("bias; got {}{}, need f32 or i32 [{}]", to_string(bias->dtype()), to_string(bias->dims()), n);
    if (bias->dtype() == DType::F32)
      finish.bias = bias->data<float>();
    else
      finish.sum_bias = bias->data<int32_t>();
  }
  if (call.has(kFactor)) {
    ASSIGN_OR_RETURN(const Tensor* factor, floats(call, kFactor));
    if (factor->size() != 1) return call.invalid("factor; got {}, need one element", to_string(factor->dims()));
    finish.factor = *factor->data<float>();
  }
  if (call.has(kAdded)) {
    ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(kAdded));
    ASSIGN_OR_RETURN(const int64_t count, count_elements(dims));
    if (byte_type(tensor->dtype()) != plan.added.type || tensor->size() != count)
      return call.invalid("added bytes; got {}{}, need {} of type {}", to_string(tensor->dtype()),
                          to_string(tensor->dims()), to_string(dims), plan.added.type == ByteType::I8 ? "i8" : "u8");
    finish.added = added;
    finish.added_stride = n;
    finish.addend = plan.added;
  }
  ASSIGN_OR_RETURN(bound.steps_, BoundSteps::bind(call, plan.steps, dims));
  return bound;
}

ops::cpu::QuantisedFinish BoundFinish::over(void* y, int64_t n) const {
  ops::cpu::QuantisedFinish finish = finish_;
  finish.between = plan_->between ? &*plan_->between : nullptr;
  finish.out = plan_->out ? &*plan_->out : nullptr;
  finish.program = steps_.program();
  finish.y = y;
  finish.y_stride = n;
  return finish;
}

Result<int32_t> left_zero(const Call& call, DType dtype) {
  if (!call.has(kLeftZero)) return 0;
  ASSIGN_OR_RETURN(const Tensor* zero, call.tensor(kLeftZero));
  if (zero->dtype() != dtype || zero->size() != 1)
    return call.invalid("zero point; got {}{}, need one {} element", to_string(zero->dtype()), to_string(zero->dims()),
                        to_string(dtype));
  return dtype == DType::I8 ? *zero->data<int8_t>() : *zero->data<uint8_t>();
}

Result<const int32_t*> right_zeros(const Call& call, int64_t n) {
  if (!call.has(kRightZero)) return nullptr;
  ASSIGN_OR_RETURN(const Tensor* zero, call.tensor(kRightZero));
  if (zero->dtype() != DType::I32 || zero->size() != n)
    return call.invalid("zero points of the weights; got {}{}, need i32 [{}]", to_string(zero->dtype()),
                        to_string(zero->dims()), n);
  return zero->data<int32_t>();
}

}  // namespace hearth::operators::fused
