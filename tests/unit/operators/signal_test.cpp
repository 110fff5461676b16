#include <complex>
#include <numbers>

#include "matrix_reference.h"

namespace hearth::operators {
namespace {

using Vector = std::vector<double>;
using Complex = std::complex<double>;

// The definition, in quadratic time.
std::vector<Complex> reference_dft(const std::vector<Complex>& x, bool inverse) {
  const auto n = static_cast<int64_t>(x.size());
  std::vector<Complex> y;
  for (int64_t k = 0; k < n; ++k) {
    Complex sum = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double angle = 2 * std::numbers::pi * static_cast<double>(k * i % n) / static_cast<double>(n);
      sum += x[static_cast<size_t>(i)] * std::polar(1.0, inverse ? angle : -angle);
    }
    y.push_back(inverse ? sum / static_cast<double>(n) : sum);
  }
  return y;
}

Vector flat(const std::vector<Complex>& x) {
  Vector all;
  for (const Complex& value : x) {
    all.push_back(value.real());
    all.push_back(value.imag());
  }
  return all;
}

std::vector<Complex> paired(const Vector& x) {
  std::vector<Complex> all;
  for (size_t i = 0; i < x.size(); i += 2) all.emplace_back(x[i], x[i + 1]);
  return all;
}

// Powers of two, small factors, a large prime, and a prime times something: every way a length is taken.
constexpr int64_t kLengths[] = {1, 2, 3, 4, 7, 8, 12, 30, 31, 37, 64, 97, 100, 202, 343, 1024};

TEST(Dft, EveryKindOfLengthBothWays) {
  for (const int64_t n : kLengths)
    for (const bool inverse : {false, true}) {
      const auto x = random_tensor<double>({1, n, 2}, static_cast<uint32_t>(n), 100, 16);
      TestCall call("DFT", 20, {x});
      call.with("inverse", int64_t{inverse});
      ASSERT_EQ(call.error(), "");
      const Vector want = flat(reference_dft(paired(doubles<double>(x)), inverse));
      expect_near(doubles<double>(call.out()), want, 1e-10);
      const auto narrow = tensor_of<float>({1, n, 2}, doubles<double>(x));
      TestCall single("DFT", 20, {narrow});
      single.with("inverse", int64_t{inverse});
      ASSERT_EQ(single.error(), "");
      const Vector got = doubles<float>(single.out());
      double largest = 0;
      for (const double value : want) largest = std::max(largest, std::abs(value));
      for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-6 * largest) << n << " " << i;
    }
}

TEST(Dft, AxesLengthsAndSides) {
  const auto x = random_tensor<double>({2, 5, 3, 1}, 1);
  TestCall call("DFT", 20, {x, tensor<int64_t>({}, {8}), tensor<int64_t>({}, {1})});
  call.with("onesided", int64_t{1});
  ASSERT_EQ(call.error(), "");
  ASSERT_EQ(call.out().dims(), (Dims{2, 5, 3, 2}));
  TestCall cut("DFT", 17, {x, tensor<int64_t>({}, {3})});
  ASSERT_EQ(cut.error(), "");
  ASSERT_EQ(cut.out().dims(), (Dims{2, 3, 3, 2}));
  const Vector values_of_x = doubles<double>(x), padded = doubles<double>(call.out()),
               shortened = doubles<double>(cut.out());
  for (size_t b = 0; b < 2; ++b)
    for (size_t c = 0; c < 3; ++c) {
      std::vector<Complex> line(8), three;
      for (size_t i = 0; i < 5; ++i) line[i] = values_of_x[(b * 5 + i) * 3 + c];
      three.assign(line.begin(), line.begin() + 3);
      const auto want = reference_dft(line, false), want_three = reference_dft(three, false);
      for (size_t k = 0; k < 5; ++k) {
        EXPECT_NEAR(padded[((b * 5 + k) * 3 + c) * 2], want[k].real(), 1e-10);
        EXPECT_NEAR(padded[((b * 5 + k) * 3 + c) * 2 + 1], want[k].imag(), 1e-10);
      }
      for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(shortened[((b * 3 + k) * 3 + c) * 2], want_three[k].real(), 1e-10);
    }
}

TEST(Dft, OneSidedInverseUndoesTheOneSidedTransform) {
  for (const int64_t n : {int64_t{2}, int64_t{9}, int64_t{74}}) {
    const auto x = random_tensor<double>({2, n, 1}, 3);
    TestCall there("DFT", 20, {x});
    there.with("onesided", int64_t{1});
    ASSERT_EQ(there.error(), "");
    TestCall back("DFT", 20, {there.out(), tensor<int32_t>({}, {static_cast<int32_t>(n)})});
    back.with("onesided", int64_t{1}).with("inverse", int64_t{1});
    ASSERT_EQ(back.error(), "");
    ASSERT_EQ(back.out().dims(), x.dims());
    expect_near(doubles<double>(back.out()), doubles<double>(x), 1e-12);
  }
}

TEST(Dft, RefusesWhatItHasNoMeaningFor) {
  const auto real = random_tensor<float>({1, 4, 1}, 1), complex = random_tensor<float>({1, 4, 2}, 1);
  TestCall one_sided("DFT", 20, {complex});
  one_sided.with("onesided", int64_t{1});
  EXPECT_NE(one_sided.error().find("need real ones"), std::string::npos);
  TestCall inverse("DFT", 20, {real});
  inverse.with("onesided", int64_t{1}).with("inverse", int64_t{1});
  EXPECT_NE(inverse.error().find("need complex ones"), std::string::npos);
  for (const int64_t axis : {int64_t{2}, int64_t{-1}, int64_t{-4}}) {
    TestCall call("DFT", 20, {real, Value(), tensor<int64_t>({}, {axis})});
    EXPECT_EQ(call.error(), fmt::format("[DFT] axis; got {}, need one in [-3, -2] or [0, 1]", axis));
  }
  for (const int64_t length : {int64_t{0}, int64_t{-3}, int64_t{1} << 62}) {
    TestCall call("DFT", 20, {real, tensor<int64_t>({}, {length})});
    EXPECT_NE(call.error(), "") << length;
  }
}

TEST(Stft, FramesAreWindowedTransforms) {
  const auto x = random_tensor<double>({2, 20, 1}, 1);
  const auto window = random_tensor<double>({8}, 2);
  TestCall call("STFT", 17, {x, tensor<int64_t>({}, {5}), window, tensor<int64_t>({}, {8})});
  call.with("onesided", int64_t{0});
  ASSERT_EQ(call.error(), "");
  ASSERT_EQ(call.out().dims(), (Dims{2, 3, 8, 2}));
  TestCall half("STFT", 17, {x, tensor<int32_t>({}, {5}), window});
  ASSERT_EQ(half.error(), "");
  ASSERT_EQ(half.out().dims(), (Dims{2, 3, 5, 2}));
  const Vector got = doubles<double>(call.out()), got_half = doubles<double>(half.out());
  for (size_t b = 0; b < 2; ++b)
    for (size_t f = 0; f < 3; ++f) {
      std::vector<Complex> frame;
      for (size_t i = 0; i < 8; ++i)
        frame.emplace_back(doubles<double>(x)[b * 20 + f * 5 + i] * doubles<double>(window)[i], 0);
      const Vector want = flat(reference_dft(frame, false));
      for (size_t i = 0; i < 16; ++i) EXPECT_NEAR(got[(b * 3 + f) * 16 + i], want[i], 1e-10);
      for (size_t i = 0; i < 10; ++i) EXPECT_NEAR(got_half[(b * 3 + f) * 10 + i], want[i], 1e-10);
    }
  TestCall step("STFT", 17, {x, tensor<int64_t>({}, {0})});
  EXPECT_EQ(step.error(), "[STFT] frame_step; got 0, need at least 1");
  TestCall frame("STFT", 17, {x, tensor<int64_t>({}, {1}), Value(), tensor<int64_t>({}, {21})});
  EXPECT_EQ(frame.error(), "[STFT] frame; got a length of 21, need [1, 20], the signal's");
}

TEST(Windows, PeriodicSymmetricAndOtherTypes) {
  const auto run = [](const char* name, int64_t size, int64_t periodic, int64_t type = 11) {
    TestCall call(name, 17, {tensor<int64_t>({}, {size})});
    call.with("periodic", periodic).with("output_datatype", type);
    EXPECT_EQ(call.error(), "") << name;
    return call.out();
  };
  expect_near(doubles<double>(run("HannWindow", 4, 1)), {0, 0.5, 1, 0.5}, 1e-15);
  expect_near(doubles<double>(run("HannWindow", 5, 0)), {0, 0.5, 1, 0.5, 0}, 1e-15);
  expect_near(doubles<double>(run("HammingWindow", 2, 1)), {4.0 / 46, 1}, 1e-15);
  expect_near(doubles<double>(run("BlackmanWindow", 2, 1)), {0, 1}, 1e-15);
  EXPECT_EQ(values<int8_t>(run("HannWindow", 5, 0, 3)), (std::vector<int8_t>{0, 0, 1, 0, 0}));
  EXPECT_EQ(doubles<double>(run("HannWindow", 1, 0)), Vector{1});
  EXPECT_EQ(run("HannWindow", 0, 1).size(), 0);
  TestCall negative("HannWindow", 17, {tensor<int64_t>({}, {-1})});
  EXPECT_EQ(negative.error(), "[HannWindow] size; got -1, need at least 0");
  TestCall huge("HannWindow", 17, {tensor<int64_t>({}, {std::numeric_limits<int64_t>::max()})});
  EXPECT_NE(huge.error(), "");
  TestCall text("HannWindow", 17, {tensor<int64_t>({}, {3})});
  text.with("output_datatype", int64_t{8});
  EXPECT_NE(text.error().find("attribute 'output_datatype'; got 8"), std::string::npos);
}

TEST(MelWeightMatrix, TrianglesRiseAndFall) {
  const auto hertz = [](float value) { return tensor<float>({}, {value}); };
  const auto number = [](int64_t value) { return tensor<int64_t>({}, {value}); };
  TestCall call("MelWeightMatrix", 17, {number(4), number(64), number(8000), hertz(0), hertz(4000)});
  ASSERT_EQ(call.error(), "");
  ASSERT_EQ(call.out().dims(), (Dims{33, 4}));
  const auto y = values<float>(call.out());
  for (size_t bin = 0; bin < 4; ++bin) {
    size_t peaks = 0, first = 33, last = 0;
    for (size_t row = 0; row < 33; ++row) {
      peaks += y[row * 4 + bin] == 1;
      if (y[row * 4 + bin] > 0) first = std::min(first, row), last = row;
    }
    EXPECT_EQ(peaks, 1u) << bin;
    for (size_t row = first; row + 2 <= last; ++row)  // concave between its ends
      EXPECT_LE(y[row * 4 + bin] + y[(row + 2) * 4 + bin], 2 * y[(row + 1) * 4 + bin] + 1e-6f) << bin << " " << row;
  }
  TestCall above("MelWeightMatrix", 17, {number(4), number(64), number(8000), hertz(0), hertz(4001)});
  EXPECT_NE(above.error().find("half the sample rate"), std::string::npos);
}

}  // namespace
}  // namespace hearth::operators
