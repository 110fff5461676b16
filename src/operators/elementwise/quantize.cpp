// QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.
#include <cmath>
#include <limits>

#include "graph/type.h"
#include "operators/axes.h"
#include "operators/elementwise/kernels.h"
#include "operators/elementwise/loops.h"
#include "ops/cpu/quantised.h"

namespace hearth::operators::elementwise {

namespace {

// How scales lie over a tensor: pieces of `run` neighbouring elements share one scale, or (moves) have one each.
struct Granularity {
  int64_t outer = 1, size = 1, inner = 1;  // of x around the axis
  int64_t scales = 1;                      // along the axis
  int64_t block = 1;                       // elements of the axis a scale covers
  bool moves = false;                      // the scale also varies behind the axis (blocked)
  bool uniform = true;                     // one scale for everything

  // f(x offset, count, scale offset) over all pieces of x.
  template <class Function>
  void visit(Function&& f) const {
    if (uniform) return f(int64_t{0}, outer * size * inner, int64_t{0});
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t s = 0; s < scales; ++s) {
        const int64_t first = s * block, count = std::min(block, size - first);
        if (!moves) {
          f((o * size + first) * inner, count * inner, s);
        } else if (inner == 1) {
          f(o * size + first, count, o * scales + s);
        } else {
          for (int64_t a = first; a < first + count; ++a) f((o * size + a) * inner, inner, (o * scales + s) * inner);
        }
      }
  }
  bool scale_moves() const { return moves && inner > 1; }
};

Result<Granularity> granularity(const Call& call, const Dims& x, const Dims& scale, const Tensor* zero) {
  if (zero != nullptr && zero->dims() != scale && !(zero->size() == 1 && count_elements(scale) == int64_t{1}))
    return call.invalid("sizes of the zero point; got {}, need those of the scale, {}", to_string(zero->dims()),
                        to_string(scale));
  Granularity g;
  const int64_t block_size = call.node().int_or("block_size", 0);
  if (block_size < 0) return call.invalid("block_size; got {}, need at least 0", block_size);
  ASSIGN_OR_RETURN(const int64_t scale_count, count_elements(scale));
  ASSIGN_OR_RETURN(g.size, count_elements(x));
  if (scale.rank() == 0 || (scale.rank() == 1 && scale_count == 1 && block_size == 0)) return g;
  // Per-axis scales of a vector are per-tensor ones only when there is one of them: otherwise each element has its own.
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, call.node().int_or("axis", 1),
                                                  x.rank() == 1 && call.node().int_or("axis", 1) == 1 ? 2 : x.rank()));
  const int at = x.rank() == 1 ? 0 : axis;
  const AxisView view = around_axis(x, at);
  g.outer = view.outer;
  g.size = view.size;
  g.inner = view.inner;
  g.uniform = false;
  if (block_size == 0) {
    if (scale.rank() != 1 || scale_count != view.size)
      return call.invalid("sizes of the scale; got {}, need [{}], one for each element of axis {}", to_string(scale),
                          view.size, at);
    g.scales = view.size;
    return g;
  }
  Dims expected = x;
  expected[static_cast<size_t>(at)] = (view.size + block_size - 1) / block_size;
  if (scale != expected)
    return call.invalid("sizes of the scale; got {}, need {} for blocks of {} along axis {}", to_string(scale),
                        to_string(expected), block_size, at);
  g.scales = expected[static_cast<size_t>(at)];
  g.block = block_size;
  g.moves = true;
  return g;
}

bool is_scale_type(DType dtype) {
  return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16 || dtype == DType::F8E8M0 ||
         dtype == DType::I32;
}

// A type named by an attribute; `otherwise` when it is 0 or absent.
Result<DType> type_attribute(const Call& call, std::string_view name, DType otherwise) {
  const int64_t number = call.node().int_or(name, 0);
  if (number == 0) return otherwise;
  const auto dtype = graph::dtype_from_onnx(number);
  if (!dtype) return call.invalid("{}; got {}, need the number of an element type", name, number);
  return *dtype;
}

struct Range {
  double least, most;
};
Range range_of(DType dtype) {
  switch (dtype) {
    case DType::U8:
      return {0, 255};
    case DType::I8:
      return {-128, 127};
    case DType::U16:
      return {0, 65535};
    case DType::I16:
      return {-32768, 32767};
    case DType::U4:
      return {0, 15};
    case DType::I4:
      return {-8, 7};
    case DType::U2:
      return {0, 3};
    case DType::I2:
      return {-2, 1};
    default:
      return {INT32_MIN, INT32_MAX};
  }
}
bool is_quantised_integer(DType dtype) {
  return is_integer(dtype) && range_of(dtype).most <= 65535;
}

// To nearest, halves to even, for |x| < 2^22: adding 1.5 * 2^23 leaves no room for a fraction.
inline float rounded(float x) {
  constexpr float kRound = 12582912.0f;
  return x + kRound - kRound;
}

// The quotients of a piece as whole numbers of a quantised type, beside its zero point.
template <class Scale>
void store_integers(const float* quotients, Scale zero, DType to, void* made, int64_t n) {
  const Range range = range_of(to);
  const auto least = static_cast<float>(range.least), most = static_cast<float>(range.most);
  const auto write = [&]<class T>(T* y) {
    for (int64_t i = 0; i < n; ++i) {
      // The sum is clamped, but so is the quotient before it: NaN becomes the least value, and rounding stays exact.
      float q = quotients[i] > -131072.0f ? quotients[i] : -131072.0f;
      q = q < 131072.0f ? q : 131072.0f;
      q = rounded(q) + zero[i];
      q = q > least ? q : least;
      q = q < most ? q : most;
      y[i] = static_cast<T>(static_cast<int32_t>(q));
    }
  };
  switch (to) {
    case DType::U8:
    case DType::U4:
    case DType::U2:
      return write(static_cast<uint8_t*>(made));
    case DType::I8:
    case DType::I4:
    case DType::I2:
      return write(static_cast<int8_t*>(made));
    case DType::U16:
      return write(static_cast<uint16_t*>(made));
    default:
      return write(static_cast<int16_t*>(made));
  }
}

bool is_byte(DType dtype) {
  return dtype == DType::U8 || dtype == DType::I8;
}

// What bytes of a piece stand for; zero point number `at`, none for nullptr.
ops::cpu::Quantum quantum_of(DType dtype, float scale, const Tensor* zero, int64_t at) {
  const bool is_signed = dtype == DType::I8;
  ops::cpu::Quantum quantum{.type = is_signed ? ops::cpu::ByteType::I8 : ops::cpu::ByteType::U8,
                            .scale = scale,
                            .low = is_signed ? -128 : 0,
                            .high = is_signed ? 127 : 255};
  if (zero != nullptr) {
    if (zero->size() == 1) at = 0;
    quantum.zero = is_signed ? zero->data<int8_t>()[at] : zero->data<uint8_t>()[at];
  }
  return quantum;
}

struct OneValue {  // an array of one number repeated
  float value;
  float operator[](int64_t) const { return value; }
};

}  // namespace

Result<> dequantize_linear(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* scale, call.tensor(1));
  const Tensor* zero = nullptr;
  if (call.has(2)) {
    ASSIGN_OR_RETURN(zero, call.tensor(2));
  }
  if (!is_integer(x->dtype()) && !is_small_float(x->dtype()))
    return call.unsupported("element type; got {}", to_string(x->dtype()));
  if (zero != nullptr && zero->dtype() != x->dtype())
    return call.invalid("zero point; got {}, need {}", to_string(zero->dtype()), to_string(x->dtype()));
  if (!is_scale_type(scale->dtype()) || scale->dtype() == DType::I32)
    return call.unsupported("type of the scale; got {}", to_string(scale->dtype()));
  ASSIGN_OR_RETURN(const DType to, type_attribute(call, "output_dtype", scale->dtype()));
  if (to != DType::F32 && to != DType::F16 && to != DType::BF16)
    return call.invalid("output type; got {}, need output_dtype f32, f16 or bf16", to_string(to));
  ASSIGN_OR_RETURN(const Granularity g, granularity(call, x->dims(), scale->dims(), zero));
  ASSIGN_OR_RETURN(const Tensor scales, as_floats(call, *scale));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, to, x->dims()));
  if (x->size() == 0) return {};

  if (is_byte(x->dtype()) && to == DType::F32 && !g.moves) {
    g.visit([&](int64_t offset, int64_t count, int64_t s) {
      ops::cpu::quantised_kernels().dequantise(x->data<uint8_t>() + offset, y->mutable_data<float>() + offset, count,
                                               quantum_of(x->dtype(), scales.data<float>()[s], zero, s),
                                               g.uniform ? call.pool() : nullptr);
    });
    return {};
  }
  // x - zero is exact in double for every type here; one rounding to f32, one product, one rounding to the output.
  double values[kChunk], zeros[kChunk];
  float made[kChunk];
  g.visit([&](int64_t offset, int64_t count, int64_t scale_offset) {
    const bool moves = g.scale_moves();
    for (int64_t begin = 0; begin < count; begin += kChunk) {
      const int64_t n = std::min(kChunk, count - begin);
      const int64_t s = scale_offset + (moves ? begin : 0);
      const float* factors = scales.data<float>() + s;
      to_doubles(x->dtype(), element_at(x->dtype(), x->raw(), offset + begin), values, n);
      zeros[0] = 0;
      if (zero != nullptr)
        to_doubles(zero->dtype(), element_at(zero->dtype(), zero->raw(), zero->size() == 1 ? 0 : s), zeros,
                   moves ? n : 1);
      const bool each_zero = moves && zero != nullptr;
      for (int64_t i = 0; i < n; ++i)
        made[i] = static_cast<float>(values[i] - zeros[each_zero ? i : 0]) * factors[moves ? i : 0];
      from_floats(made, to, element_at(to, y->mutable_raw(), offset + begin), n);
    }
  });
  return {};
}

Result<> quantize_linear(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* scale, call.tensor(1));
  const Tensor* zero = nullptr;
  if (call.has(2)) {
    ASSIGN_OR_RETURN(zero, call.tensor(2));
  }
  ASSIGN_OR_RETURN(const DType to, type_attribute(call, "output_dtype", zero != nullptr ? zero->dtype() : DType::U8));
  if (zero != nullptr && zero->dtype() != to)
    return call.invalid("zero point; got {}, need the output's {}", to_string(zero->dtype()), to_string(to));
  if (!is_quantised_integer(to) && (!is_small_float(to) || to == DType::F8E8M0))
    return call.unsupported("output type; got {}", to_string(to));
  if (!is_scale_type(x->dtype()) || x->dtype() == DType::F8E8M0)
    return call.unsupported("element type; got {}", to_string(x->dtype()));
  if (!is_scale_type(scale->dtype())) return call.unsupported("type of the scale; got {}", to_string(scale->dtype()));
  ASSIGN_OR_RETURN(const DType precision, type_attribute(call, "precision", scale->dtype()));
  ASSIGN_OR_RETURN(const Granularity g, granularity(call, x->dims(), scale->dims(), zero));
  ASSIGN_OR_RETURN(const Tensor scales, as_doubles(call, *scale));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, to, x->dims()));
  if (x->size() == 0) return {};
  const SmallFloatOptions options{.saturate = call.node().int_or("saturate", 1) != 0};

  if (x->dtype() == DType::F32 && precision == DType::F32 && is_byte(to) && !g.moves) {
    g.visit([&](int64_t offset, int64_t count, int64_t s) {
      ops::cpu::quantised_kernels().quantise(x->data<float>() + offset, y->mutable_data<uint8_t>() + offset, count,
                                             quantum_of(to, static_cast<float>(scales.data<double>()[s]), zero, s),
                                             g.uniform ? call.pool() : nullptr);
    });
    return {};
  }
  // The quotient is rounded to the precision asked for. i32 and e8m0 divide in f32 at least.
  const bool in_float = x->dtype() != DType::I32;
  const bool narrow = precision == DType::F16 || precision == DType::BF16;
  double wide[kChunk], zeros[kChunk];
  float values[kChunk], zero_floats[kChunk];
  uint16_t narrowed[kChunk];
  g.visit([&](int64_t offset, int64_t count, int64_t scale_offset) {
    const bool moves = g.scale_moves();
    for (int64_t begin = 0; begin < count; begin += kChunk) {
      const int64_t n = std::min(kChunk, count - begin);
      const int64_t s = scale_offset + (moves ? begin : 0);
      const void* source = element_at(x->dtype(), x->raw(), offset + begin);
      const double* divisor = scales.data<double>() + s;
      if (in_float) {
        to_floats(x->dtype(), source, values, n);
        if (narrow) {  // both sides are of the precision before they are divided
          from_floats(values, precision, narrowed, n);
          to_floats(precision, narrowed, values, n);
        }
        if (moves)
          for (int64_t i = 0; i < n; ++i) values[i] /= static_cast<float>(divisor[i]);
        else
          for (int64_t i = 0; i < n; ++i) values[i] /= static_cast<float>(divisor[0]);
      } else {
        to_doubles(x->dtype(), source, wide, n);
        for (int64_t i = 0; i < n; ++i) values[i] = static_cast<float>(wide[i] / divisor[moves ? i : 0]);
      }
      if (narrow) {
        from_floats(values, precision, narrowed, n);
        to_floats(precision, narrowed, values, n);
      }
      zeros[0] = 0;
      if (zero != nullptr)
        to_doubles(zero->dtype(), element_at(zero->dtype(), zero->raw(), zero->size() == 1 ? 0 : s), zeros,
                   moves ? n : 1);
      const bool each_zero = moves && zero != nullptr;
      void* target = element_at(to, y->mutable_raw(), offset + begin);
      if (each_zero)
        for (int64_t i = 0; i < n; ++i) zero_floats[i] = static_cast<float>(zeros[i]);
      if (!is_integer(to)) {
        for (int64_t i = 0; i < n; ++i) values[i] += each_zero ? zero_floats[i] : static_cast<float>(zeros[0]);
        from_floats(values, to, target, n, options);
      } else if (each_zero) {
        store_integers(values, zero_floats, to, target, n);
      } else {
        store_integers(values, OneValue{static_cast<float>(zeros[0])}, to, target, n);
      }
    }
  });
  return {};
}

Result<> dynamic_quantize_linear(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  if (x->dtype() != DType::F32) return call.unsupported("element type; got {}, need f32", to_string(x->dtype()));
  const float* values = x->data<float>();
  const auto& kernels = ops::cpu::quantised_kernels();
  float least = 0, most = 0;
  kernels.range(values, x->size(), &least, &most, call.pool());
  const float scale = (most - least) / 255.0f;
  // All elements are zero: any scale but 0 describes them.
  const float divisor = scale == 0 ? 1.0f : scale;
  float zero = rounded(std::min(std::max(-least / divisor, 0.0f), 255.0f));
  if (std::isnan(zero)) zero = 0;
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::U8, x->dims()));
  if (call.wants(1)) {
    ASSIGN_OR_RETURN(Tensor * made_scale, call.output(1, DType::F32, {}));
    *made_scale->mutable_data<float>() = scale;
  }
  if (call.wants(2)) {
    ASSIGN_OR_RETURN(Tensor * made_zero, call.output(2, DType::U8, {}));
    *made_zero->mutable_data<uint8_t>() = static_cast<uint8_t>(zero);
  }
  kernels.quantise(values, y->mutable_data<uint8_t>(), x->size(),
                   {.scale = divisor, .zero = static_cast<int32_t>(zero)}, call.pool());
  return {};
}

}  // namespace hearth::operators::elementwise
