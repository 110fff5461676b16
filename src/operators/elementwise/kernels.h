// The kernels of the elementwise family, one function an operator (or a version of it); elementwise_table.cpp says
// which serves what.
#pragma once

#include "operators/kernel.h"

namespace hearth::operators::elementwise {

// math.cpp
Result<> abs(Call& call);
Result<> acos(Call& call);
Result<> acosh(Call& call);
Result<> asin(Call& call);
Result<> asinh(Call& call);
Result<> atan(Call& call);
Result<> atanh(Call& call);
Result<> ceil(Call& call);
Result<> cos(Call& call);
Result<> cosh(Call& call);
Result<> erf(Call& call);
Result<> exp(Call& call);
Result<> floor(Call& call);
Result<> log(Call& call);
Result<> neg(Call& call);
Result<> reciprocal(Call& call);
Result<> round(Call& call);
Result<> sign(Call& call);
Result<> sin(Call& call);
Result<> sinh(Call& call);
Result<> sqrt(Call& call);
Result<> tan(Call& call);
Result<> tanh(Call& call);

// activations.cpp
Result<> celu(Call& call);
Result<> elu(Call& call);
Result<> gelu(Call& call);
Result<> hard_sigmoid(Call& call);
Result<> hard_swish(Call& call);
Result<> leaky_relu(Call& call);
Result<> mish(Call& call);
Result<> prelu(Call& call);
Result<> relu(Call& call);
Result<> selu(Call& call);
Result<> shrink(Call& call);
Result<> sigmoid(Call& call);
Result<> softplus(Call& call);
Result<> softsign(Call& call);
Result<> swish(Call& call);
Result<> thresholded_relu(Call& call);

// arithmetic.cpp
Result<> add(Call& call);
Result<> sub(Call& call);
Result<> mul(Call& call);
Result<> div(Call& call);
Result<> mod(Call& call);

Result<> pow(Call& call);  // pow.cpp

// accumulate.cpp: any number of inputs
Result<> max(Call& call);
Result<> min(Call& call);
Result<> mean(Call& call);
Result<> sum(Call& call);

// bits.cpp
Result<> bit_shift(Call& call);
Result<> bitwise_and(Call& call);
Result<> bitwise_not(Call& call);
Result<> bitwise_or(Call& call);
Result<> bitwise_xor(Call& call);

// comparison.cpp, logic.cpp
Result<> equal(Call& call);
Result<> greater(Call& call);
Result<> greater_or_equal(Call& call);
Result<> less(Call& call);
Result<> less_or_equal(Call& call);
Result<> is_inf(Call& call);
Result<> is_nan(Call& call);
Result<> logical_and(Call& call);
Result<> logical_not(Call& call);
Result<> logical_or(Call& call);
Result<> logical_xor(Call& call);

Result<> where(Call& call);
Result<> identity(Call& call);
Result<> clip_6(Call& call);   // bounds are attributes
Result<> clip_11(Call& call);  // bounds are inputs
Result<> dropout_7(Call& call);
Result<> dropout_12(Call& call);  // ratio and training_mode are inputs

// cast.cpp
Result<> cast(Call& call);
Result<> cast_like(Call& call);
Result<> bit_cast(Call& call);

// quantize.cpp
Result<> dequantize_linear(Call& call);
Result<> dynamic_quantize_linear(Call& call);
Result<> quantize_linear(Call& call);

}  // namespace hearth::operators::elementwise
