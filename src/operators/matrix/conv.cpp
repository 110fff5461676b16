// Conv, and its integer forms ConvInteger and QLinearConv, whose zero points are taken off as elements are widened.
#include <algorithm>

#include "operators/matrix/convolve.h"
#include "operators/matrix/dense_product.h"
#include "operators/matrix/kernels.h"
#include "operators/matrix/requantise.h"

namespace hearth::operators {

namespace {

template <class C>
Result<> conv(Call& call, const Tensor& x, const Tensor& w) {
  ASSIGN_OR_RETURN(const ConvShape shape, read_conv(call, x.dims(), w.dims()));
  ASSIGN_OR_RETURN(const auto bias, read_bias<C>(call, 2, shape.out_channels));
  ASSIGN_OR_RETURN(auto y, WideOutput<C>::make(call, 0, x.dtype(), shape.window.out_dims(shape.n, shape.out_channels)));
  ASSIGN_OR_RETURN(const auto image, Wide<C>::make(call, x));
  ASSIGN_OR_RETURN(const auto weight, Wide<C>::make(call, w));
  TRY(convolve<C>(call, shape, image.data(), weight.data(), bias.data(), y.data()));
  y.finish(call);
  return {};
}

// f32 over the dense kernels, by way of channels-last images; false when they do not serve it.
Result<bool> conv_dense(Call& call, const Tensor& x, const PackedConv* packed, const Tensor* w) {
  if (x.rank() < 3 || x.rank() > 4) return false;
  ASSIGN_OR_RETURN(const ConvShape shape, read_conv(call, x.dims(), packed != nullptr ? packed->dims : w->dims()));
  ops::cpu::ConvShape dense;
  if (shape.depth() == 0 || !dense_shape(shape.window, shape.n, shape.channels, dense)) return false;
  dense.out_channels = shape.out_channels;
  dense.groups = shape.groups;
  ASSIGN_OR_RETURN(const auto bias, read_bias<float>(call, 2, shape.out_channels));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, shape.window.out_dims(shape.n, shape.out_channels)));
  if (y->size() > 0)
    TRY(convolve_channels_first(call, dense, x.data<float>(), packed, w != nullptr ? w->data<float>() : nullptr,
                                bias.data(), y->mutable_data<float>()));
  return true;
}

bool is_byte(DType dtype) {
  return dtype == DType::I8 || dtype == DType::U8;
}

// Elements as 32-bit integers with the zero point of their output channel taken off; `zero_input` may be absent, one
// element, or one an output channel (weights only).
Result<Scratch<uint32_t>> centred(Call& call, const Tensor& tensor, int zero_input, int64_t channels) {
  if (!is_byte(tensor.dtype()))
    return call.unsupported("element type; got {}, need i8 or u8", to_string(tensor.dtype()));
  ASSIGN_OR_RETURN(auto elements, Scratch<uint32_t>::make(call, {tensor.size()}));
  widen(tensor.dtype(), tensor.raw(), tensor.size(), elements.data());
  if (!call.has(zero_input) || tensor.size() == 0) return elements;
  ASSIGN_OR_RETURN(const Tensor* zeros, call.tensor(zero_input));
  if (zeros->dtype() != tensor.dtype() || (zeros->size() != 1 && zeros->size() != channels))
    return call.invalid("zero point, input {}; got {}{}, need one {} element{}", zero_input, to_string(zeros->dtype()),
                        to_string(zeros->dims()), to_string(tensor.dtype()),
                        channels > 1 ? fmt::format(" or {}", channels) : "");
  ASSIGN_OR_RETURN(const auto values, Wide<uint32_t>::make(call, *zeros));
  const int64_t run = tensor.size() / zeros->size();
  for (int64_t c = 0; c < zeros->size(); ++c)
    for (int64_t i = 0; i < run; ++i) elements[c * run + i] -= values[c];
  return elements;
}

struct IntegerInputs {  // their numbers
  int x, x_zero, w, w_zero;
};

// Sums of the integer convolution, with 32-bit bias, into y.
Result<> convolve_integers(Call& call, const ConvShape& shape, const IntegerInputs& inputs, const uint32_t* bias,
                           uint32_t* y) {
  ASSIGN_OR_RETURN(const auto x, centred(call, call.input(inputs.x), inputs.x_zero, 1));
  ASSIGN_OR_RETURN(const auto w, centred(call, call.input(inputs.w), inputs.w_zero, shape.out_channels));
  return convolve<uint32_t>(call, shape, x.data(), w.data(), bias, y);
}

}  // namespace

Result<> run_conv(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  if (const auto* packed = static_cast<const PackedConv*>(call.prepared()); packed != nullptr) {
    if (x->dtype() != DType::F32) return call.invalid("element types; got {} and f32, need one", to_string(x->dtype()));
    ASSIGN_OR_RETURN(const bool done, conv_dense(call, *x, packed, nullptr));
    if (done) return {};
    // What is left has no elements: an image of pads alone gives the bias.
    ASSIGN_OR_RETURN(const ConvShape shape, read_conv(call, x->dims(), packed->dims));
    ASSIGN_OR_RETURN(const auto bias, read_bias<float>(call, 2, shape.out_channels));
    ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, shape.window.out_dims(shape.n, shape.out_channels)));
    const int64_t pixels = shape.window.out_size();
    for (int64_t plane = 0; pixels > 0 && plane < y->size() / pixels; ++plane)
      std::fill_n(y->mutable_data<float>() + plane * pixels, pixels,
                  bias.data() != nullptr ? bias[plane % shape.out_channels] : 0.0f);
    return {};
  }
  ASSIGN_OR_RETURN(const Tensor* w, call.tensor(1));
  if (x->dtype() != w->dtype())
    return call.invalid("element types; got {} and {}, need one", to_string(x->dtype()), to_string(w->dtype()));
  if (x->dtype() == DType::F32) {
    ASSIGN_OR_RETURN(const bool done, conv_dense(call, *x, nullptr, w));
    if (done) return {};
  }
  return in_working_float(call, x->dtype(), [&]<class C>() { return conv<C>(call, *x, *w); });
}

Result<std::unique_ptr<Prepared>> prepare_conv(const graph::Node& node, int64_t,
                                               std::span<const Tensor* const> constants) {
  const Tensor* w = constants.size() > 1 ? constants[1] : nullptr;
  if (w == nullptr) return nullptr;
  return pack_conv_weight(node, *w);
}

Result<> run_conv_integer(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* w, call.tensor(1));
  ASSIGN_OR_RETURN(const ConvShape shape, read_conv(call, x->dims(), w->dims()));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::I32, shape.window.out_dims(shape.n, shape.out_channels)));
  return convolve_integers(call, shape, {0, 2, 1, 3}, nullptr, y->mutable_data<uint32_t>());
}

Result<> run_qlinear_conv(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* w, call.tensor(3));
  ASSIGN_OR_RETURN(const ConvShape shape, read_conv(call, x->dims(), w->dims()));
  ASSIGN_OR_RETURN(const float x_scale, read_scale(call, 1));
  ASSIGN_OR_RETURN(const Tensor* w_scale, call.tensor(4));
  if (w_scale->size() != 1 && w_scale->size() != shape.out_channels)
    return call.invalid("weight scale, input 4; got {}, need one element or {}", to_string(w_scale->dims()),
                        shape.out_channels);
  ASSIGN_OR_RETURN(const auto w_scales, Wide<float>::make(call, *w_scale));
  ASSIGN_OR_RETURN(const float y_scale, read_scale(call, 6));
  ASSIGN_OR_RETURN(const Tensor* y_zero, call.tensor(7));
  ASSIGN_OR_RETURN(const float zero_point, read_zero_point(call, 7));
  if (!is_byte(y_zero->dtype()))
    return call.unsupported("output element type; got {}, need i8 or u8", to_string(y_zero->dtype()));
  ASSIGN_OR_RETURN(const auto bias, read_bias<uint32_t>(call, 8, shape.out_channels));
  if (call.has(8) && call.input(8).dtype() != DType::I32)
    return call.invalid("bias, input 8; got {}, need i32", to_string(call.input(8).dtype()));

  const Dims dims = shape.window.out_dims(shape.n, shape.out_channels);
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, y_zero->dtype(), dims));
  ASSIGN_OR_RETURN(const auto sums, Scratch<uint32_t>::make(call, {y->size()}));
  TRY(convolve_integers(call, shape, {0, 2, 3, 5}, bias.data(), sums.data()));
  const int64_t pixels = shape.window.out_size();
  auto* to = static_cast<std::byte*>(y->mutable_raw());
  call.parallel(shape.n * shape.out_channels, 1 + (1 << 16) / (pixels + 1), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const float multiplier = x_scale * w_scales[w_scale->size() == 1 ? 0 : plane % shape.out_channels] / y_scale;
      requantise(sums.data() + plane * pixels, pixels, &multiplier, 0, zero_point, y_zero->dtype(),
                 to + plane * pixels);
    }
  });
  return {};
}

}  // namespace hearth::operators
