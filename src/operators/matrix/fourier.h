// Discrete Fourier transforms of any length: lengths of small prime factors are split into them, others become a
// convolution of a power-of-two length (Bluestein), in double only.
#pragma once

#include <complex>
#include <vector>

#include "operators/matrix/working_type.h"

namespace hearth::operators {

template <class R>  // float or double
class FourierPlan {
 public:
  using Complex = std::complex<R>;

  // Whether a length splits into small factors. A FourierPlan<float> is made for no other.
  static bool splits(int64_t length);
  // Transforms of `length` >= 1 elements.
  static Result<FourierPlan> make(Call& call, int64_t length);
  int64_t length() const { return length_; }
  // Elements that `work` has to hold.
  int64_t work_size() const { return padded_ == 0 ? length_ : 2 * padded_; }

  // data[k] = sum over n of data[n] * e^(-2 pi i k n / length); with `inverse` the sign is plus (no factor 1 / length).
  // Any number of threads may use one plan, each with its own data and work.
  void transform(Complex* data, Complex* work, bool inverse) const;

 private:
  void bluestein(Complex* data, Complex* work) const;

  int64_t length_ = 1;
  std::vector<int64_t> factors_;  // of length_, or of padded_
  Scratch<Complex> turns_;        // e^(-2 pi i k / n) for the length that is split
  // Bluestein: a transform of padded_ elements, e^(-pi i n² / length), and the transform of its conjugates.
  int64_t padded_ = 0;
  Scratch<Complex> chirp_, chirp_transform_;
};

}  // namespace hearth::operators
