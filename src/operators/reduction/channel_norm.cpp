// Normalisations of tensors [N, C, …] with one scale and shift a channel: Group, Instance, Batch; and the local
// response. Statistics are formed in f64.
#include <algorithm>
#include <cmath>

#include "operators/axes.h"
#include "operators/convert.h"
#include "operators/reduction/kernels.h"

namespace hearth::operators {

namespace {

struct Planes {
  int64_t batch = 0, channels = 0, plane = 1;  // element (n, c, p) is at (n * channels + c) * plane + p
};

Result<Planes> planes_of(const Call& call, const Tensor& x, int least_rank) {
  if (x.rank() < least_rank)
    return call.invalid("rank of X; got {} {}, need at least {}", x.rank(), to_string(x.dims()), least_rank);
  if (!is_float(x.dtype())) return call.unsupported("elements of type {}", to_string(x.dtype()));
  Planes planes{x.dim(0), x.rank() > 1 ? x.dim(1) : 1, 1};
  for (int d = 2; d < x.rank(); ++d) planes.plane *= x.dim(d);
  return planes;
}

// Input i: one number for each of `count` channels (or groups).
Result<std::vector<double>> per_channel(const Call& call, int i, int64_t count) {
  ASSIGN_OR_RETURN(const Tensor* given, call.tensor(i));
  if (given->size() != count)
    return call.invalid("input {}; got {} numbers {}, need {}", i, given->size(), to_string(given->dims()), count);
  std::vector<double> made(static_cast<size_t>(count));
  to_doubles(given->dtype(), given->raw(), made.data(), count);
  return made;
}

struct Moments {
  double mean = 0, variance = 0;
};

// In chunks of f64.
template <class Each>
void for_each_chunk(const Tensor& x, int64_t at, int64_t count, Each&& each) {
  double buffer[kChunk];
  for (int64_t i = 0; i < count; i += kChunk) {
    const int64_t n = std::min(kChunk, count - i);
    to_doubles(x.dtype(), element_at(x.dtype(), x.raw(), at + i), buffer, n);
    each(i, buffer, n);
  }
}

Moments moments_of(const Tensor& x, int64_t at, int64_t count) {
  Moments made;
  for_each_chunk(x, at, count, [&](int64_t, const double* v, int64_t n) {
    for (int64_t i = 0; i < n; ++i) made.mean += v[i];
  });
  made.mean /= static_cast<double>(count);
  for_each_chunk(x, at, count, [&](int64_t, const double* v, int64_t n) {
    for (int64_t i = 0; i < n; ++i) made.variance += (v[i] - made.mean) * (v[i] - made.mean);
  });
  made.variance /= static_cast<double>(count);
  return made;
}

// y = x * scale + shift over `count` elements from `at`. f32 goes straight through.
void affine(const Tensor& x, Tensor& y, int64_t at, int64_t count, double scale, double shift) {
  if (x.dtype() == DType::F32) {
    const float *from = x.data<float>() + at, a = static_cast<float>(scale), b = static_cast<float>(shift);
    float* to = y.mutable_data<float>() + at;
    for (int64_t i = 0; i < count; ++i) to[i] = from[i] * a + b;
    return;
  }
  for_each_chunk(x, at, count, [&](int64_t i, double* v, int64_t n) {
    for (int64_t j = 0; j < n; ++j) v[j] = v[j] * scale + shift;
    from_doubles(v, y.dtype(), element_at(y.dtype(), y.mutable_raw(), at + i), n);
  });
}

}  // namespace

Result<> group_normalization(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Planes p, planes_of(call, *x, 2));
  const int64_t groups = call.node().int_or("num_groups", 1);
  if (groups <= 0 || p.channels % groups != 0)
    return call.invalid("num_groups; got {}, need a divisor of {} channels", groups, p.channels);
  // Opset 18 has one scale a group, later ones one a channel.
  ASSIGN_OR_RETURN(const Tensor* given, call.tensor(1));
  const int64_t factors = given->size() == groups && given->size() != p.channels ? groups : p.channels;
  ASSIGN_OR_RETURN(const auto scale, per_channel(call, 1, factors));
  ASSIGN_OR_RETURN(const auto bias, per_channel(call, 2, factors));
  const double epsilon = call.node().float_or("epsilon", 1e-5f);
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, x->dtype(), x->dims()));
  if (x->size() == 0) return {};
  const int64_t width = p.channels / groups;
  call.parallel(p.batch * groups, 1, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) {
      const int64_t at = g * width * p.plane;
      const Moments m = moments_of(*x, at, width * p.plane);
      const double inverse = 1 / std::sqrt(m.variance + epsilon);
      for (int64_t c = 0; c < width; ++c) {
        const int64_t channel = g % groups * width + c;
        const auto f = static_cast<size_t>(factors == p.channels ? channel : g % groups);
        affine(*x, *y, at + c * p.plane, p.plane, inverse * scale[f], bias[f] - m.mean * inverse * scale[f]);
      }
    }
  });
  return {};
}

Result<> instance_normalization(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Planes p, planes_of(call, *x, 3));
  ASSIGN_OR_RETURN(const auto scale, per_channel(call, 1, p.channels));
  ASSIGN_OR_RETURN(const auto bias, per_channel(call, 2, p.channels));
  const double epsilon = call.node().float_or("epsilon", 1e-5f);
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, x->dtype(), x->dims()));
  if (x->size() == 0) return {};
  call.parallel(p.batch * p.channels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto c = static_cast<size_t>(i % p.channels);
      const Moments m = moments_of(*x, i * p.plane, p.plane);
      const double inverse = 1 / std::sqrt(m.variance + epsilon);
      affine(*x, *y, i * p.plane, p.plane, inverse * scale[c], bias[c] - m.mean * inverse * scale[c]);
    }
  });
  return {};
}

namespace {

// Before opset 9, spatial = 0 has statistics for every element of a sample instead of every channel.
Result<> normalise_elements(Call& call, const Tensor& x, double epsilon) {
  const int64_t batch = x.rank() > 0 ? x.dim(0) : 1, count = batch > 0 ? x.size() / batch : 0;
  ASSIGN_OR_RETURN(const auto scale, per_channel(call, 1, count));
  ASSIGN_OR_RETURN(const auto bias, per_channel(call, 2, count));
  ASSIGN_OR_RETURN(const auto mean, per_channel(call, 3, count));
  ASSIGN_OR_RETURN(const auto variance, per_channel(call, 4, count));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, x.dtype(), x.dims()));
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<size_t>(i);
      const double factor = scale[at] / std::sqrt(variance[at] + epsilon);
      affine(x, *y, n * count + i, 1, factor, bias[at] - mean[at] * factor);
    }
  return {};
}

Moments channel_moments(const Tensor& x, const Planes& p, int64_t c) {
  Moments made;
  const auto count = static_cast<double>(p.batch * p.plane);
  for (int64_t n = 0; n < p.batch; ++n)
    for_each_chunk(x, (n * p.channels + c) * p.plane, p.plane, [&](int64_t, const double* v, int64_t k) {
      for (int64_t i = 0; i < k; ++i) made.mean += v[i];
    });
  made.mean /= count;
  for (int64_t n = 0; n < p.batch; ++n)
    for_each_chunk(x, (n * p.channels + c) * p.plane, p.plane, [&](int64_t, const double* v, int64_t k) {
      for (int64_t i = 0; i < k; ++i) made.variance += (v[i] - made.mean) * (v[i] - made.mean);
    });
  made.variance /= count;
  return made;
}

}  // namespace

Result<> batch_normalization(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Planes p, planes_of(call, *x, 1));
  const double epsilon = call.node().float_or("epsilon", 1e-5f), momentum = call.node().float_or("momentum", 0.9f);
  if (call.opset() < 9 && call.node().int_or("spatial", 1) == 0) return normalise_elements(call, *x, epsilon);
  ASSIGN_OR_RETURN(const auto scale, per_channel(call, 1, p.channels));
  ASSIGN_OR_RETURN(const auto bias, per_channel(call, 2, p.channels));
  ASSIGN_OR_RETURN(auto mean, per_channel(call, 3, p.channels));
  ASSIGN_OR_RETURN(auto variance, per_channel(call, 4, p.channels));
  const bool training = call.node().int_or("training_mode", 0) != 0;
  if (!training && call.opset() >= 14 && (call.wants(1) || call.wants(2)))
    return call.invalid("outputs besides Y need training_mode = 1");
  std::vector<double> running_mean = mean, running_variance = variance;
  if (training && x->size() > 0) {  // nothing was seen: the running statistics stay
    for (int64_t c = 0; c < p.channels; ++c) {
      const auto at = static_cast<size_t>(c);
      const Moments m = channel_moments(*x, p, c);
      running_mean[at] = mean[at] * momentum + m.mean * (1 - momentum);
      running_variance[at] = variance[at] * momentum + m.variance * (1 - momentum);
      mean[at] = m.mean;
      variance[at] = m.variance;
    }
  }
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, x->dtype(), x->dims()));
  call.parallel(x->size() == 0 ? 0 : p.batch * p.channels, std::max<int64_t>(1, 16384 / std::max<int64_t>(p.plane, 1)),
                [&](int64_t begin, int64_t end) {
                  for (int64_t i = begin; i < end; ++i) {
                    const auto c = static_cast<size_t>(i % p.channels);
                    const double factor = scale[c] / std::sqrt(variance[c] + epsilon);
                    affine(*x, *y, i * p.plane, p.plane, factor, bias[c] - mean[c] * factor);
                  }
                });
  // Mean and variance, as they were used or as they have become; opsets before 14 have two saved ones behind them.
  for (int i = 1; i < call.output_count(); ++i) {
    if (!call.wants(i)) continue;
    const DType dtype = call.has(i == 1 || i == 3 ? 3 : 4) ? call.input(i == 1 || i == 3 ? 3 : 4).dtype() : x->dtype();
    ASSIGN_OR_RETURN(Tensor * out, call.output(i, dtype, Dims{p.channels}));
    const auto& values = i % 2 == 1 ? running_mean : running_variance;
    from_doubles(values.data(), dtype, out->mutable_raw(), p.channels);
  }
  return {};
}

static constexpr int64_t kStrip = 64;  // positions of a plane at once

Result<> lrn(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Planes p, planes_of(call, *x, 2));
  const int64_t size = call.node().int_or("size", 1);
  if (size < 1) return call.invalid("size; got {}, need at least 1", size);
  const double alpha = call.node().float_or("alpha", 1e-4f), beta = call.node().float_or("beta", 0.75f),
               bias = call.node().float_or("bias", 1.0f);
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, x->dtype(), x->dims()));
  if (x->size() == 0) return {};
  const int64_t before = (size - 1) / 2, after = size - 1 - before;
  const int64_t strips = (p.plane + kStrip - 1) / kStrip;
  call.parallel(p.batch * strips, 1, [&](int64_t begin, int64_t end) {
    std::vector<double> values(static_cast<size_t>(p.channels * kStrip)), squares(kStrip);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i / strips * p.channels * p.plane + i % strips * kStrip;
      const int64_t n = std::min(kStrip, p.plane - i % strips * kStrip);
      for (int64_t c = 0; c < p.channels; ++c)
        to_doubles(x->dtype(), element_at(x->dtype(), x->raw(), at + c * p.plane),
                   &values[static_cast<size_t>(c * kStrip)], n);
      for (int64_t c = 0; c < p.channels; ++c) {
        std::ranges::fill(squares, 0.0);
        for (int64_t k = std::max<int64_t>(0, c - before); k <= std::min(p.channels - 1, c + after); ++k) {
          const double* v = &values[static_cast<size_t>(k * kStrip)];
          for (int64_t j = 0; j < n; ++j) squares[static_cast<size_t>(j)] += v[j] * v[j];
        }
        const double* v = &values[static_cast<size_t>(c * kStrip)];
        for (int64_t j = 0; j < n; ++j) {
          const double base = bias + alpha / static_cast<double>(size) * squares[static_cast<size_t>(j)];
          // 3/4 is what the networks that have this use; two roots are a tenth of a power.
          const double divisor = beta == 0.75 ? std::sqrt(base) * std::sqrt(std::sqrt(base)) : std::pow(base, beta);
          squares[static_cast<size_t>(j)] = v[j] / divisor;
        }
        from_doubles(squares.data(), y->dtype(), element_at(y->dtype(), y->mutable_raw(), at + c * p.plane), n);
      }
    }
  });
  return {};
}

}  // namespace hearth::operators
