// One entry an operator, or a version of it when its meaning changed; versions that only allow more types share one,
// and what opsets before 7 say about broadcasting is known to run_binary and prelu.
#include "operators/elementwise/kernels.h"

namespace hearth::operators {

namespace {

constexpr int kNewest = 1 << 20;

constexpr KernelEntry kKernels[] = {
    {"", "Abs", 1, kNewest, elementwise::abs},
    {"", "Acos", 7, kNewest, elementwise::acos},
    {"", "Acosh", 9, kNewest, elementwise::acosh},
    {"", "Add", 1, kNewest, elementwise::add},
    {"", "And", 1, kNewest, elementwise::logical_and},
    {"", "Asin", 7, kNewest, elementwise::asin},
    {"", "Asinh", 9, kNewest, elementwise::asinh},
    {"", "Atan", 7, kNewest, elementwise::atan},
    {"", "Atanh", 9, kNewest, elementwise::atanh},
    {"", "BitCast", 26, kNewest, elementwise::bit_cast},
    {"", "BitShift", 11, kNewest, elementwise::bit_shift},
    {"", "BitwiseAnd", 18, kNewest, elementwise::bitwise_and},
    {"", "BitwiseNot", 18, kNewest, elementwise::bitwise_not},
    {"", "BitwiseOr", 18, kNewest, elementwise::bitwise_or},
    {"", "BitwiseXor", 18, kNewest, elementwise::bitwise_xor},
    {"", "Cast", 6, kNewest, elementwise::cast},
    {"", "CastLike", 15, kNewest, elementwise::cast_like},
    {"", "Ceil", 1, kNewest, elementwise::ceil},
    {"", "Celu", 12, kNewest, elementwise::celu},
    {"", "Clip", 1, 11, elementwise::clip_6},
    {"", "Clip", 11, kNewest, elementwise::clip_11},
    {"", "Cos", 7, kNewest, elementwise::cos},
    {"", "Cosh", 9, kNewest, elementwise::cosh},
    {"", "DequantizeLinear", 10, kNewest, elementwise::dequantize_linear},
    {"", "Div", 1, kNewest, elementwise::div},
    {"", "Dropout", 7, 12, elementwise::dropout_7},
    {"", "Dropout", 12, kNewest, elementwise::dropout_12},
    {"", "DynamicQuantizeLinear", 11, kNewest, elementwise::dynamic_quantize_linear},
    {"", "Elu", 1, kNewest, elementwise::elu},
    {"", "Equal", 1, kNewest, elementwise::equal},
    {"", "Erf", 9, kNewest, elementwise::erf},
    {"", "Exp", 1, kNewest, elementwise::exp},
    {"", "Floor", 1, kNewest, elementwise::floor},
    {"", "Gelu", 20, kNewest, elementwise::gelu},
    {"", "Greater", 1, kNewest, elementwise::greater},
    {"", "GreaterOrEqual", 12, kNewest, elementwise::greater_or_equal},
    {"", "HardSigmoid", 1, kNewest, elementwise::hard_sigmoid},
    {"", "HardSwish", 14, kNewest, elementwise::hard_swish},
    {"", "Identity", 1, kNewest, elementwise::identity},
    {"", "IsInf", 10, kNewest, elementwise::is_inf},
    {"", "IsNaN", 9, kNewest, elementwise::is_nan},
    {"", "LeakyRelu", 1, kNewest, elementwise::leaky_relu},
    {"", "Less", 1, kNewest, elementwise::less},
    {"", "LessOrEqual", 12, kNewest, elementwise::less_or_equal},
    {"", "Log", 1, kNewest, elementwise::log},
    {"", "Max", 1, kNewest, elementwise::max},
    {"", "Mean", 1, kNewest, elementwise::mean},
    {"", "Min", 1, kNewest, elementwise::min},
    {"", "Mish", 18, kNewest, elementwise::mish},
    {"", "Mod", 10, kNewest, elementwise::mod},
    {"", "Mul", 1, kNewest, elementwise::mul},
    {"", "Neg", 1, kNewest, elementwise::neg},
    {"", "Not", 1, kNewest, elementwise::logical_not},
    {"", "Or", 1, kNewest, elementwise::logical_or},
    {"", "PRelu", 1, kNewest, elementwise::prelu},
    {"", "Pow", 1, kNewest, elementwise::pow},
    {"", "QuantizeLinear", 10, kNewest, elementwise::quantize_linear},
    {"", "Reciprocal", 1, kNewest, elementwise::reciprocal},
    {"", "Relu", 1, kNewest, elementwise::relu},
    {"", "Round", 11, kNewest, elementwise::round},
    {"", "Selu", 1, kNewest, elementwise::selu},
    {"", "Shrink", 9, kNewest, elementwise::shrink},
    {"", "Sigmoid", 1, kNewest, elementwise::sigmoid},
    {"", "Sign", 9, kNewest, elementwise::sign},
    {"", "Sin", 7, kNewest, elementwise::sin},
    {"", "Sinh", 9, kNewest, elementwise::sinh},
    {"", "Softplus", 1, kNewest, elementwise::softplus},
    {"", "Softsign", 1, kNewest, elementwise::softsign},
    {"", "Sqrt", 1, kNewest, elementwise::sqrt},
    {"", "Sub", 1, kNewest, elementwise::sub},
    {"", "Sum", 1, kNewest, elementwise::sum},
    {"", "Swish", 24, kNewest, elementwise::swish},
    {"", "Tan", 7, kNewest, elementwise::tan},
    {"", "Tanh", 1, kNewest, elementwise::tanh},
    {"", "ThresholdedRelu", 10, kNewest, elementwise::thresholded_relu},
    {"", "Where", 9, kNewest, elementwise::where},
    {"", "Xor", 1, kNewest, elementwise::logical_xor},
};

}  // namespace

std::span<const KernelEntry> elementwise_kernels() {
  return kKernels;
}

}  // namespace hearth::operators
