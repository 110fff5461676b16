#include <cmath>

#include "operators/elementwise/kernels.h"
#include "operators/elementwise/loops.h"

namespace hearth::operators::elementwise {

namespace {

constexpr int64_t kGrainHere = kCheapGrain / 4;

// An activation with parameters p, its loop of float_loops.h for f32 and its definition for f64. `make` sets p from the
// node; D is double (a macro would lose the commas of a template).
#define HEARTH_ACTIVATION(Op, name, make, definition)          \
  struct Op {                                                  \
    static constexpr int64_t kGrain = kGrainHere;              \
    float p[2] = {0, 0};                                       \
    explicit Op([[maybe_unused]] const graph::Node& node) {    \
      make;                                                    \
    }                                                          \
    void loop(const float* x, float* y, int64_t count) const { \
      float_loops().name(p, x, y, count);                      \
    }                                                          \
    template <class T>                                         \
    T operator()(T x) const {                                  \
      return definition;                                       \
    }                                                          \
  };
#define HEARTH_ALPHA(otherwise) p[0] = node.float_or("alpha", otherwise)

template <class T>
T sigmoid_of(T x) {
  return T(1) / (T(1) + std::exp(-x));
}
template <class T>
T softplus_of(T x) {
  return std::max(x, T(0)) + std::log1p(std::exp(-std::abs(x)));
}
template <class T>
T unit_clip(T x) {
  return x < T(0) ? T(0) : x > T(1) ? T(1) : x;
}

HEARTH_ACTIVATION(Celu, celu, HEARTH_ALPHA(1.0f),
                  (x < 0 ? T(0) : x) + std::min(T(0), static_cast<T>(p[0] * std::expm1(x / static_cast<T>(p[0])))))
HEARTH_ACTIVATION(Elu, elu, HEARTH_ALPHA(1.0f), x < 0 ? static_cast<T>(p[0] * std::expm1(x)) : x)
HEARTH_ACTIVATION(Gelu, gelu, , T(0.5) * x * (T(1) + std::erf(x * T(0.70710678118654752440))))
HEARTH_ACTIVATION(GeluTanh, gelu_tanh, ,
                  T(0.5) * x * (T(1) + std::tanh(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x))))
HEARTH_ACTIVATION(HardSigmoid, hard_sigmoid, HEARTH_ALPHA(0.2f);
                  p[1] = node.float_or("beta", 0.5f), unit_clip(static_cast<T>(p[0] * x + p[1])))
HEARTH_ACTIVATION(HardSwish, hard_swish, , x* unit_clip(x / T(6) + T(0.5)))
HEARTH_ACTIVATION(LeakyRelu, leaky_relu, HEARTH_ALPHA(0.01f), x < 0 ? static_cast<T>(p[0] * x) : x)
HEARTH_ACTIVATION(Mish, mish, , x* std::tanh(softplus_of(x)))
HEARTH_ACTIVATION(Selu, selu, HEARTH_ALPHA(1.67326319217681884765625f);
                  p[1] = node.float_or("gamma", 1.05070102214813232421875f),
                  static_cast<T>(p[1] * (x <= 0 ? p[0] * std::expm1(x) : x)))
HEARTH_ACTIVATION(Sigmoid, sigmoid, , sigmoid_of(x))
HEARTH_ACTIVATION(Softplus, softplus, , softplus_of(x))
HEARTH_ACTIVATION(Swish, swish, HEARTH_ALPHA(1.0f), x* sigmoid_of(static_cast<T>(p[0] * x)))

struct Softsign {
  template <class T>
  T operator()(T x) const {
    return x / (T(1) + std::abs(x));
  }
};

struct ThresholdedRelu {
  float alpha;
  explicit ThresholdedRelu(const graph::Node& node) : alpha(node.float_or("alpha", 1.0f)) {}
  template <class T>
  T operator()(T x) const {
    return x > static_cast<T>(alpha) ? x : T(0);
  }
};

struct Relu {
  template <class T>
  T operator()(T x) const {
    return x < 0 ? T(0) : x;  // NaN stays
  }
  void loop(const float* x, float* y, int64_t count) const { float_loops().relu(nullptr, x, y, count); }
};

// Integers as well: compared and shifted as real numbers, the result cut.
struct Shrink {
  float bias, lambd;
  explicit Shrink(const graph::Node& node) : bias(node.float_or("bias", 0.0f)), lambd(node.float_or("lambd", 0.5f)) {}
  template <class T>
  T operator()(T x) const {
    using Wide = std::conditional_t<std::is_same_v<T, float>, float, double>;
    const Wide value = static_cast<Wide>(x);
    const Wide y = value < -static_cast<Wide>(lambd)  ? value + static_cast<Wide>(bias)
                   : value > static_cast<Wide>(lambd) ? value - static_cast<Wide>(bias)
                                                      : Wide(0);
    if constexpr (std::is_floating_point_v<T>)
      return y;
    else
      return truncated<T>(y);
  }
};

struct PRelu {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_signed_v<T> && !std::is_floating_point_v<T>)
      return a < 0 ? static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b)) : a;
    else
      return a < 0 ? a * b : a;
  }
  void loop(const float* a, const float* b, float* y, int64_t count, bool a_moves, bool b_moves) const {
    float_loops().prelu(a, b, y, count, a_moves, b_moves);
  }
};

}  // namespace

#define HEARTH_FLOAT_KERNEL(name, Op)      \
  Result<> name(Call& call) {              \
    return unary<Op, float, double>(call); \
  }
HEARTH_FLOAT_KERNEL(celu, Celu)
HEARTH_FLOAT_KERNEL(elu, Elu)
HEARTH_FLOAT_KERNEL(hard_sigmoid, HardSigmoid)
HEARTH_FLOAT_KERNEL(hard_swish, HardSwish)
HEARTH_FLOAT_KERNEL(leaky_relu, LeakyRelu)
HEARTH_FLOAT_KERNEL(mish, Mish)
HEARTH_FLOAT_KERNEL(selu, Selu)
HEARTH_FLOAT_KERNEL(sigmoid, Sigmoid)
HEARTH_FLOAT_KERNEL(softplus, Softplus)
HEARTH_FLOAT_KERNEL(softsign, Softsign)
HEARTH_FLOAT_KERNEL(swish, Swish)
HEARTH_FLOAT_KERNEL(thresholded_relu, ThresholdedRelu)
#undef HEARTH_FLOAT_KERNEL

Result<> gelu(Call& call) {
  const std::string_view how = call.node().string_or("approximate", "none");
  if (how == "tanh") return unary<GeluTanh, float, double>(call);
  if (how == "none") return unary<Gelu, float, double>(call);
  return call.invalid("approximate; got '{}', need 'none' or 'tanh'", how);
}

Result<> relu(Call& call) {
  return unary<Relu, float, double, int8_t, int16_t, int32_t, int64_t>(call);
}

Result<> shrink(Call& call) {
  return unary<Shrink, float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>(call);
}

// Before opset 7: one slope for all, or one for each channel, axis 1.
Result<> prelu_of_channels(Call& call, const Tensor& x, const Tensor& slope) {
  const int64_t channels = x.rank() > 1 ? x.dim(1) : 1;
  if (slope.size() != 1 && slope.size() != channels)
    return call.invalid("slopes; got {}, need 1 or {}, one for each channel", slope.size(), channels);
  if (loop_type(x.dtype()) != DType::F32 && x.dtype() != DType::F64)
    return call.unsupported("element type; got {}", to_string(x.dtype()));
  Dims dims;
  if (slope.size() != 1) {
    dims.push_back(channels);
    while (dims.rank() + 1 < x.rank()) dims.push_back(1);
  }
  const Tensor slopes = slope.reshaped(dims);
  const PRelu op;
  return run_broadcast(call, x, slopes, x.dtype(), &op,
                       x.dtype() == DType::F64 ? binary_loop<PRelu, double, double> : binary_loop<PRelu, float, float>,
                       kCheapGrain);
}

Result<> prelu(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* slope, call.tensor(1));
  if (call.opset() < 7) return prelu_of_channels(call, *x, *slope);
  if (!broadcasts_to(slope->dims(), x->dims()))
    return call.invalid("sizes of the slope; got {}, need sizes that broadcast to {}", to_string(slope->dims()),
                        to_string(x->dims()));
  return binary<PRelu, float, double, int32_t, int64_t, uint32_t, uint64_t>(call);
}

}  // namespace hearth::operators::elementwise
