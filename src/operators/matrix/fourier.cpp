#include "operators/matrix/fourier.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

namespace hearth::operators {

namespace {

// Factors above this make splitting dearer than Bluestein's longer transforms.
constexpr int64_t kLargestFactor = 31;

// Complex products as plain arithmetic: std::complex's operator also repairs infinities, at many times the cost.
template <class R>
std::complex<R> times(const std::complex<R>& a, const std::complex<R>& b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// e^(-2 pi i k / n)
template <class R>
std::complex<R> turn(int64_t k, int64_t n) {
  const double angle = -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
  return {static_cast<R>(std::cos(angle)), static_cast<R>(std::sin(angle))};
}

template <class R>
Result<Scratch<std::complex<R>>> all_turns(Call& call, int64_t n) {
  ASSIGN_OR_RETURN(auto turns, Scratch<std::complex<R>>::make(call, {n}));
  for (int64_t k = 0; k < n; ++k) turns[k] = turn<R>(k, n);
  return turns;
}

// Fours, one two, then odd primes; what is left above kLargestFactor comes last.
std::vector<int64_t> factorise(int64_t n) {
  std::vector<int64_t> factors;
  for (const int64_t f : {int64_t{4}, int64_t{2}, int64_t{3}, int64_t{5}})
    for (; n % f == 0; n /= f) factors.push_back(f);
  for (int64_t f = 7; f <= kLargestFactor && n > 1; f += 2)
    for (; n % f == 0; n /= f) factors.push_back(f);
  if (n > 1) factors.push_back(n);
  return factors;
}

// A transform of r elements, r odd or 2 or 4: to[s * step] = sum of from[p] e^(-2 pi i p s / r). The turns are those of
// a multiple n of r. Elements p and r - p meet conjugate turns, so their sums and differences are multiplied instead.
template <class R>
void small_transform(const std::complex<R>* from, std::complex<R>* to, int64_t step, int64_t r,
                     const std::complex<R>* turns, int64_t n) {
  using Complex = std::complex<R>;
  if (r == 2) {
    to[0] = from[0] + from[1];
    to[step] = from[0] - from[1];
    return;
  }
  if (r == 4) {
    const Complex a = from[0] + from[2], b = from[0] - from[2], c = from[1] + from[3], d = from[1] - from[3];
    const Complex turned{d.imag(), -d.real()};
    to[0] = a + c;
    to[step] = b + turned;
    to[2 * step] = a - c;
    to[3 * step] = b - turned;
    return;
  }
  const int64_t half = r / 2;
  Complex sums[kLargestFactor / 2 + 1], differences[kLargestFactor / 2 + 1];
  Complex total = from[0];
  for (int64_t p = 1; p <= half; ++p) {
    sums[p] = from[p] + from[r - p];
    differences[p] = from[p] - from[r - p];
    total += sums[p];
  }
  to[0] = total;
  for (int64_t s = 1; s <= half; ++s) {
    Complex even = from[0], odd{};
    for (int64_t p = 1; p <= half; ++p) {
      const Complex& factor = turns[p * s % r * (n / r)];
      even += factor.real() * sums[p];
      odd += factor.imag() * differences[p];
    }
    const Complex turned{-odd.imag(), odd.real()};
    to[s * step] = even + turned;
    to[(r - s) * step] = even - turned;
  }
}

// One step of a decimation in frequency that leaves the elements in order: `done` transforms of r * rest elements
// become done * r of `rest`. Element i + rest * (p + r * k) of `from` goes to i + rest * (k + done * s) of `to`.
template <class R>
void split_step(const std::complex<R>* from, std::complex<R>* to, int64_t r, int64_t done, int64_t rest,
                const std::complex<R>* turns, int64_t n) {
  std::complex<R> in[kLargestFactor], out[kLargestFactor];
  for (int64_t k = 0; k < done; ++k)
    for (int64_t i = 0; i < rest; ++i) {
      for (int64_t p = 0; p < r; ++p) in[p] = from[i + rest * (p + r * k)];
      small_transform(in, out, 1, r, turns, n);
      std::complex<R>* const base = to + i + rest * k;
      base[0] = out[0];
      for (int64_t s = 1; s < r; ++s) base[rest * done * s] = i == 0 ? out[s] : times(out[s], turns[s * i * done]);
    }
}

template <class R>
void split_all(std::complex<R>* data, std::complex<R>* work, int64_t n, const std::vector<int64_t>& factors,
               const std::complex<R>* turns) {
  std::complex<R>*from = data, *to = work;
  int64_t done = 1;
  for (const int64_t r : factors) {
    split_step(from, to, r, done, n / (done * r), turns, n);
    done *= r;
    std::swap(from, to);
  }
  if (from != data) std::copy_n(from, n, data);
}

}  // namespace

template <class R>
bool FourierPlan<R>::splits(int64_t length) {
  const auto factors = factorise(length);
  return factors.empty() || factors.back() <= kLargestFactor;
}

template <class R>
Result<FourierPlan<R>> FourierPlan<R>::make(Call& call, int64_t length) {
  FourierPlan plan;
  plan.length_ = length;
  if (splits(length)) {
    plan.factors_ = factorise(length);
    ASSIGN_OR_RETURN(plan.turns_, all_turns<R>(call, length));
    return plan;
  }
  if constexpr (std::is_same_v<R, double>) {
    plan.padded_ = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(2 * length - 1)));
    plan.factors_ = factorise(plan.padded_);
    ASSIGN_OR_RETURN(plan.turns_, all_turns<R>(call, plan.padded_));
    ASSIGN_OR_RETURN(plan.chirp_, Scratch<Complex>::make(call, {length}));
    ASSIGN_OR_RETURN(plan.chirp_transform_, Scratch<Complex>::make(call, {plan.padded_}));
    ASSIGN_OR_RETURN(const auto work, Scratch<Complex>::make(call, {plan.padded_}));
    std::fill_n(plan.chirp_transform_.data(), plan.padded_, Complex{});
    int64_t square = 0;  // n² modulo 2 * length: the angle repeats there
    for (int64_t n = 0; n < length; ++n) {
      plan.chirp_[n] = turn<R>(square, 2 * length);
      plan.chirp_transform_[n] = std::conj(plan.chirp_[n]);
      if (n > 0) plan.chirp_transform_[plan.padded_ - n] = std::conj(plan.chirp_[n]);
      square = (square + 2 * n + 1) % (2 * length);
    }
    split_all(plan.chirp_transform_.data(), work.data(), plan.padded_, plan.factors_, plan.turns_.data());
    return plan;
  }
  return call.invalid("transform; a length of {} needs double precision", length);
}

template <class R>
void FourierPlan<R>::bluestein(Complex* data, Complex* work) const {
  Complex* const padded = work + padded_;
  for (int64_t n = 0; n < length_; ++n) padded[n] = times(data[n], chirp_[n]);
  std::fill(padded + length_, padded + padded_, Complex{});
  split_all(padded, work, padded_, factors_, turns_.data());
  // The way back is the way there of the conjugate.
  for (int64_t k = 0; k < padded_; ++k) padded[k] = std::conj(times(padded[k], chirp_transform_[k]));
  split_all(padded, work, padded_, factors_, turns_.data());
  const R factor = 1 / static_cast<R>(padded_);
  for (int64_t n = 0; n < length_; ++n) data[n] = times(std::conj(padded[n]) * factor, chirp_[n]);
}

template <class R>
void FourierPlan<R>::transform(Complex* data, Complex* work, bool inverse) const {
  if (inverse)
    for (int64_t n = 0; n < length_; ++n) data[n] = std::conj(data[n]);
  if (padded_ == 0)
    split_all(data, work, length_, factors_, turns_.data());
  else
    bluestein(data, work);
  if (inverse)
    for (int64_t n = 0; n < length_; ++n) data[n] = std::conj(data[n]);
}

template class FourierPlan<float>;
template class FourierPlan<double>;

}  // namespace hearth::operators
