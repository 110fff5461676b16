// Pow: base and exponent may have different types; the result has the base's.
#include <cmath>

#include "operators/elementwise/kernels.h"
#include "operators/elementwise/loops.h"

namespace hearth::operators::elementwise {

namespace {

// Exact modulo 2^64. A negative exponent is the real power cut to an integer, which 0 has none of: the smallest value,
// as in every cast of a number that does not fit.
int64_t integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 1) return 1;
    if (base == -1) return exponent % 2 == 0 ? 1 : -1;
    return base == 0 ? INT64_MIN : 0;
  }
  uint64_t result = 1, square = static_cast<uint64_t>(base);
  for (auto rest = static_cast<uint64_t>(exponent); rest != 0; rest >>= 1) {
    if (rest & 1) result *= square;
    square *= square;
  }
  return static_cast<int64_t>(result);
}

struct Pow {
  static constexpr int64_t kGrain = kDearGrain;
  template <class T>
  T operator()(T a, T b) const {
    return std::pow(a, b);
  }
  // Models raise to one small power; a library call for each element would take twenty times as long.
  void loop(const float* a, const float* b, float* y, int64_t count, bool a_moves, bool b_moves) const {
    if (a_moves && !b_moves) {
      const float exponent = *b;
      if (exponent == 2.0f) return float_loops().multiply(a, a, y, count, true, true);
      if (exponent == 3.0f) {
        float_loops().multiply(a, a, y, count, true, true);
        return float_loops().multiply(y, a, y, count, true, true);
      }
      if (exponent == -1.0f) return float_loops().reciprocal(nullptr, a, y, count);
      if (exponent == 0.5f) {
        for (int64_t i = 0; i < count; ++i)  // unlike the root, the power of -0 is 0 and that of -inf is inf
          y[i] = a[i] == -INFINITY ? INFINITY : std::sqrt(a[i] + 0.0f);
        return;
      }
    }
    for (int64_t i = 0; i < count; ++i) y[i] = std::pow(a[a_moves ? i : 0], b[b_moves ? i : 0]);
  }
};

// Types differ, or the base is an integer: through i64 when both are integers, else through f64.
Result<> mixed(Call& call, const Tensor& a, const Tensor& given) {
  ASSIGN_OR_RETURN(const Tensor b, aligned(call, a, given));
  const bool exact = is_integer(a.dtype()) && is_integer(b.dtype());
  ASSIGN_OR_RETURN(const Dims dims, broadcast_dims(call, {&a.dims(), &b.dims()}));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, a.dtype(), dims));
  const Broadcast<2> walk(dims, {&a.dims(), &b.dims()});
  void* to = y->mutable_raw();
  call.parallel(walk.size(), kDearGrain, [&](int64_t begin, int64_t end) {
    int64_t bases[kChunk], exponents[kChunk];
    double real_bases[kChunk], real_exponents[kChunk];
    walk.visit(begin, end, [&](int64_t at, int64_t count, const auto& offsets) {
      for (int64_t i = 0; i < count; i += kChunk) {
        const int64_t n = std::min(kChunk, count - i);
        const bool a_moves = walk.moves(0), b_moves = walk.moves(1);
        const void* from_a = element_at(a.dtype(), a.raw(), offsets[0] + (a_moves ? i : 0));
        const void* from_b = element_at(b.dtype(), b.raw(), offsets[1] + (b_moves ? i : 0));
        void* made = element_at(y->dtype(), to, at + i);
        if (exact) {
          to_int64s(a.dtype(), from_a, bases, a_moves ? n : 1);
          to_int64s(b.dtype(), from_b, exponents, b_moves ? n : 1);
          for (int64_t k = n; k-- > 0;) bases[k] = integer_power(bases[a_moves ? k : 0], exponents[b_moves ? k : 0]);
          from_int64s(bases, false, y->dtype(), made, n);
        } else {
          to_doubles(a.dtype(), from_a, real_bases, a_moves ? n : 1);
          to_doubles(b.dtype(), from_b, real_exponents, b_moves ? n : 1);
          for (int64_t k = n; k-- > 0;)
            real_bases[k] = std::pow(real_bases[a_moves ? k : 0], real_exponents[b_moves ? k : 0]);
          from_doubles(real_bases, y->dtype(), made, n);
        }
      }
    });
  });
  return {};
}

}  // namespace

Result<> pow(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* b, call.tensor(1));
  for (const Tensor* each : {a, b})
    if (!is_integer(each->dtype()) && !is_float(each->dtype()))
      return call.unsupported("element type; got {}", to_string(each->dtype()));
  if (a->dtype() == b->dtype() && is_float(a->dtype())) return binary<Pow, float, double>(call);
  return mixed(call, *a, *b);
}

}  // namespace hearth::operators::elementwise
