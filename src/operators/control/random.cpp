// Operators that draw random numbers. A number is a function of the seed and of its place in the output, whatever the
// threads do: the same seed gives the same values.
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "operators/arguments.h"
#include "operators/control/control_kernels.h"
#include "operators/convert.h"

namespace hearth::operators {

namespace {

constexpr int64_t kGrainElements = 1 << 13;

class Random {
 public:
  // The attribute `seed`, or one from the system.
  static Result<Random> read(const Call& call) {
    uint64_t seed = std::bit_cast<uint32_t>(call.node().float_or("seed", 0.0f));
    if (!call.node().has("seed") && getentropy(&seed, sizeof seed) != 0)
      return call.unsupported("seed; the system has no random numbers to make one of");
    return Random(mix(seed));
  }

  // In [0, 1), a multiple of 2^-53.
  double uniform(int64_t at) const {
    return static_cast<double>(mix(seed_ + static_cast<uint64_t>(at) * 0x9e37'79b9'7f4a'7c15) >> 11) * 0x1p-53;
  }
  // Standard normal (Box and Muller); takes the uniform numbers 2 · at and the next.
  double normal(int64_t at) const {
    const double radius = std::sqrt(-2 * std::log(1 - uniform(2 * at)));
    return radius * std::cos(2 * std::numbers::pi * uniform(2 * at + 1));
  }

 private:
  explicit Random(uint64_t seed) : seed_(seed) {}
  // SplitMix64's finaliser (Steele, Lea, Flood 2014): every bit of the result depends on every bit of x.
  static uint64_t mix(uint64_t x) {
    x += 0x9e37'79b9'7f4a'7c15;
    x = (x ^ x >> 30) * 0xbf58'476d'1ce4'e5b9;
    x = (x ^ x >> 27) * 0x94d0'49bb'1331'11eb;
    return x ^ x >> 31;
  }

  uint64_t seed_;
};

// Output 0 of floats, each draw(place).
template <class Draw>
Result<> fill_floats(Call& call, DType dtype, const Dims& dims, Draw&& draw) {
  if (dtype != DType::F32 && dtype != DType::F64 && dtype != DType::F16 && dtype != DType::BF16)
    return call.invalid("element type; got {}, need float, double, float16 or bfloat16", to_string(dtype));
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, dtype, dims));
  with_type(FloatTypes{}, dtype, [&]<class T>() {
    T* to = output->mutable_data<T>();
    call.parallel(output->size(), kGrainElements, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = T(static_cast<ComputeType<T>>(draw(i)));
    });
  });
  return {};
}

Result<> fill_normal(Call& call, DType dtype, const Dims& dims) {
  ASSIGN_OR_RETURN(const Random random, Random::read(call));
  const double mean = call.node().float_or("mean", 0.0f), scale = call.node().float_or("scale", 1.0f);
  return fill_floats(call, dtype, dims, [&](int64_t i) { return mean + scale * random.normal(i); });
}

Result<> fill_uniform(Call& call, DType dtype, const Dims& dims) {
  ASSIGN_OR_RETURN(const Random random, Random::read(call));
  const double low = call.node().float_or("low", 0.0f), high = call.node().float_or("high", 1.0f);
  return fill_floats(call, dtype, dims, [&](int64_t i) { return low + (high - low) * random.uniform(i); });
}

using Fill = Result<> (*)(Call& call, DType dtype, const Dims& dims);

Result<> fill_shape(Call& call, Fill fill) {
  ASSIGN_OR_RETURN(const Dims dims, to_dims(call, call.node().ints("shape")));
  ASSIGN_OR_RETURN(const DType dtype, read_dtype(call, "dtype", DType::F32));
  return fill(call, dtype, dims);
}

Result<> fill_like(Call& call, Fill fill) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  ASSIGN_OR_RETURN(const DType dtype, read_dtype(call, "dtype", input->dtype()));
  return fill(call, dtype, input->dims());
}

Result<Tensor> read_doubles(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  if (!is_float(input->dtype())) return call.invalid("input; got {}, need floats", to_string(input->dtype()));
  return as_doubles(call, *input);
}

}  // namespace

Result<> run_random_normal(Call& call) {
  return fill_shape(call, fill_normal);
}
Result<> run_random_normal_like(Call& call) {
  return fill_like(call, fill_normal);
}
Result<> run_random_uniform(Call& call) {
  return fill_shape(call, fill_uniform);
}
Result<> run_random_uniform_like(Call& call) {
  return fill_like(call, fill_uniform);
}

Result<> run_bernoulli(Call& call) {
  ASSIGN_OR_RETURN(const Tensor probabilities, read_doubles(call));
  ASSIGN_OR_RETURN(const Random random, Random::read(call));
  ASSIGN_OR_RETURN(const DType dtype, read_dtype(call, "dtype", call.input(0).dtype()));
  const auto* p = probabilities.data<double>();
  for (int64_t i = 0; i < probabilities.size(); ++i)
    if (!(p[i] >= 0 && p[i] <= 1)) return call.invalid("probability {}; got {}, need 0 to 1", i, p[i]);
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, dtype, probabilities.dims()));
  using Types = TypeList<float, double, Half, BFloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t,
                         uint64_t, bool>;
  if (!with_type(Types{}, dtype, [&]<class T>() {
        T* to = output->mutable_data<T>();
        for (int64_t i = 0; i < probabilities.size(); ++i) to[i] = T(random.uniform(i) < p[i] ? 1 : 0);
      }))
    return call.invalid("attribute dtype; got {}, need a number or a boolean", to_string(dtype));
  return {};
}

Result<> run_multinomial(Call& call) {
  ASSIGN_OR_RETURN(const Tensor logits, read_doubles(call));
  ASSIGN_OR_RETURN(const Random random, Random::read(call));
  ASSIGN_OR_RETURN(const DType dtype, read_dtype(call, "dtype", DType::I32));
  const int64_t samples = call.node().int_or("sample_size", 1);
  if (logits.rank() != 2 || logits.dim(1) < 1)
    return call.invalid("input; got shape {}, need [batch, classes]", to_string(logits.dims()));
  if (samples < 1) return call.invalid("attribute sample_size; got {}, need at least 1", samples);
  if (dtype != DType::I32 && dtype != DType::I64)
    return call.invalid("attribute dtype; got {}, need int32 or int64", to_string(dtype));
  const int64_t batch = logits.dim(0), classes = logits.dim(1);
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, dtype, {batch, samples}));
  ASSIGN_OR_RETURN(Tensor sums, Tensor::allocate(DType::F64, {classes}, call.memory()));
  auto* sum = sums.mutable_data<double>();  // of the probabilities up to a class, not yet divided by all
  for (int64_t row = 0; row < batch; ++row) {
    const double* logit = logits.data<double>() + row * classes;
    const double greatest = *std::max_element(logit, logit + classes);
    double total = 0;
    for (int64_t c = 0; c < classes; ++c) sum[c] = total += std::exp(logit[c] - greatest);
    // Not so when a logit is NaN or infinite, or all are minus infinity.
    if (!std::isfinite(total)) return call.invalid("logits of row {}; they make no probabilities", row);
    for (int64_t i = 0; i < samples; ++i) {
      const double drawn = random.uniform(row * samples + i) * total;
      const int64_t c = std::min<int64_t>(std::upper_bound(sum, sum + classes, drawn) - sum, classes - 1);
      if (dtype == DType::I32)
        output->mutable_data<int32_t>()[row * samples + i] = static_cast<int32_t>(c);
      else
        output->mutable_data<int64_t>()[row * samples + i] = c;
    }
  }
  return {};
}

}  // namespace hearth::operators
