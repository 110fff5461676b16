// Cast, CastLike, BitCast.
#include <array>
#include <cstring>

#include "graph/type.h"
#include "operators/elementwise/kernels.h"
#include "operators/elementwise/loops.h"
#include "operators/elementwise/number_text.h"
#include "tensor/element_bits.h"

namespace hearth::operators::elementwise {

namespace {

bool is_number(DType dtype) {
  return is_integer(dtype) || is_float(dtype) || dtype == DType::Bool;
}

// Pairs that models convert all the time have a loop of their own.
template <class From, class To>
void convert_pair(const void* from, void* to, int64_t count) {
  const From* x = static_cast<const From*>(from);
  To* y = static_cast<To*>(to);
  for (int64_t i = 0; i < count; ++i) {
    if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>)
      y[i] = truncated<To>(static_cast<double>(x[i]));
    else
      y[i] = static_cast<To>(x[i]);
  }
}

using Converter = void (*)(const void* from, void* to, int64_t count);
Converter direct(DType from, DType to) {
  using Common = TypeList<float, double, int32_t, int64_t, uint8_t>;
  if (to == DType::Bool) return nullptr;
  Converter found = nullptr;
  with_type(Common{}, from,
            [&]<class From>() { with_type(Common{}, to, [&]<class To>() { found = convert_pair<From, To>; }); });
  return found;
}

// Everything else goes through one type that holds all values of `from`.
void convert(DType from, const void* x, DType to, void* y, int64_t count, SmallFloatOptions options) {
  if (const Converter loop = direct(from, to)) return loop(x, y, count);
  int64_t whole[kChunk];
  float real[kChunk];
  double wide[kChunk];
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    const int64_t n = std::min(kChunk, count - begin);
    const void* source = element_at(from, x, begin);
    void* target = element_at(to, y, begin);
    if (from == DType::F64) {
      to_doubles(from, source, wide, n);
      from_doubles(wide, to, target, n, options);
    } else if (is_float(from)) {
      to_floats(from, source, real, n);
      from_floats(real, to, target, n, options);
    } else {
      to_int64s(from, source, whole, n);
      from_int64s(whole, is_unsigned(from), to, target, n, options);
    }
  }
}

Result<> to_text(Call& call, const Tensor& x) {
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::String, x.dims()));
  auto* made = y->mutable_data<std::string>();
  for (int64_t i = 0; i < x.size(); ++i) made[i] = number_text(x.dtype(), element_at(x.dtype(), x.raw(), i));
  return {};
}

Result<> from_text(Call& call, const Tensor& x, DType to, SmallFloatOptions options) {
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, to, x.dims()));
  for (int64_t i = 0; i < x.size(); ++i) {
    const std::string& text = x.data<std::string>()[i];
    const auto refuse = [&] {
      return call.invalid("element {}; got '{}', need a number for {}", i, std::string_view(text).substr(0, 64),
                          to_string(to));
    };
    void* target = element_at(to, y->mutable_raw(), i);
    if (is_integer(to)) {
      const auto value = parse_int(text, is_unsigned(to));
      if (!value) return refuse();
      from_int64s(&*value, is_unsigned(to), to, target, 1);
    } else if (to == DType::F32) {
      const auto value = parse_float(text);
      if (!value) return refuse();
      *static_cast<float*>(target) = *value;
    } else {
      auto value = parse_double(text);
      if (!value && to == DType::Bool) {
        if (text == "True" || text == "true") value = 1;
        if (text == "False" || text == "false") value = 0;
      }
      if (!value) return refuse();
      from_doubles(&*value, to, target, 1, options);
    }
  }
  return {};
}

Result<> cast_to(Call& call, const Tensor& x, DType to) {
  SmallFloatOptions options;
  options.saturate = call.node().int_or("saturate", 1) != 0;
  const std::string_view mode = call.node().string_or("round_mode", "up");
  if (mode == "down")
    options.scale_rounding = ScaleRounding::Down;
  else if (mode == "nearest")
    options.scale_rounding = ScaleRounding::Nearest;
  else if (mode != "up")
    return call.invalid("round_mode; got '{}', need 'up', 'down' or 'nearest'", mode);

  if (x.dtype() == to) {
    call.set_output(0, x);
    return {};
  }
  if (to == DType::String && is_number(x.dtype())) return to_text(call, x);
  if (x.dtype() == DType::String && is_number(to)) return from_text(call, x, to, options);
  if (!is_number(x.dtype()) || !is_number(to))
    return call.unsupported("a cast of {} to {}", to_string(x.dtype()), to_string(to));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, to, x.dims()));
  void* made = y->mutable_raw();
  call.parallel(x.size(), kCheapGrain, [&](int64_t begin, int64_t end) {
    convert(x.dtype(), element_at(x.dtype(), x.raw(), begin), to, element_at(to, made, begin), end - begin, options);
  });
  return {};
}

Result<DType> target_type(const Call& call) {
  if (!call.node().has("to")) return call.invalid("attribute 'to' is absent; it is required");
  const int64_t number = call.node().int_or("to", 0);
  const auto dtype = graph::dtype_from_onnx(number);
  if (!dtype) return call.invalid("attribute 'to'; got {}, need the number of an element type", number);
  return *dtype;
}

}  // namespace

Result<> cast(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const DType to, target_type(call));
  return cast_to(call, *x, to);
}

Result<> cast_like(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* like, call.tensor(1));
  return cast_to(call, *x, like->dtype());
}

Result<> bit_cast(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const DType to, target_type(call));
  if (x->dtype() == DType::String || to == DType::String)
    return call.invalid("element types; got {} and {}, need types other than string", to_string(x->dtype()),
                        to_string(to));
  const int width = bits_of(x->dtype());
  if (width != bits_of(to))
    return call.invalid("width of {}; got {} bits, need the {} of {}", to_string(to), bits_of(to), width,
                        to_string(x->dtype()));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, to, x->dims()));
  if (width < 8) {  // held one a byte, signed ones with their sign extended
    const auto* from = x->data<uint8_t>();
    auto* made = y->mutable_data<uint8_t>();
    const int unused = 8 - width;
    const bool extend = to == DType::I4 || to == DType::I2;
    for (int64_t i = 0; i < x->size(); ++i) {
      const auto top = static_cast<uint8_t>(from[i] << unused);
      made[i] = extend ? static_cast<uint8_t>(static_cast<int8_t>(top) >> unused) : static_cast<uint8_t>(top >> unused);
    }
  } else if (to == DType::Bool) {  // a bool in memory is 0 or 1
    for (int64_t i = 0; i < x->size(); ++i) y->mutable_data<uint8_t>()[i] = x->data<uint8_t>()[i] != 0 ? 1 : 0;
  } else if (x->size() > 0) {
    std::memcpy(y->mutable_raw(), x->raw(), x->bytes());
  }
  return {};
}

}  // namespace hearth::operators::elementwise
