// Windows and the mel weight matrix: tables that depend on a few numbers only.
#include <cmath>
#include <numbers>
#include <optional>

#include "graph/type.h"
#include "operators/axes.h"
#include "operators/matrix/kernels.h"
#include "operators/matrix/scalar_input.h"

namespace hearth::operators {

namespace {

Result<DType> read_output_type(const Call& call) {
  const int64_t number = call.node().int_or("output_datatype", 1);
  const auto dtype = graph::dtype_from_onnx(number);
  if (!dtype || (info(*dtype).kind != DTypeClass::Float && info(*dtype).kind != DTypeClass::Int) ||
      !narrow<double>(nullptr, 0, *dtype, nullptr))
    return call.invalid("attribute 'output_datatype'; got {}, need the number of an integer or floating-point type",
                        number);
  return *dtype;
}

// a - b * cos(x) + c * cos(2 x), x running over one period.
Result<> cosine_window(Call& call, double a, double b, double c) {
  ASSIGN_OR_RETURN(const int64_t size, one_int(call, 0));
  if (size < 0) return call.invalid("size; got {}, need at least 0", size);
  ASSIGN_OR_RETURN(const DType dtype, read_output_type(call));
  ASSIGN_OR_RETURN(auto y, WideOutput<double>::make(call, 0, dtype, {size}));
  const bool periodic = call.node().int_or("periodic", 1) != 0;
  const double period = static_cast<double>(periodic ? size : size - 1);
  for (int64_t i = 0; i < size; ++i) {
    const double x = 2 * std::numbers::pi * static_cast<double>(i) / period;
    // A symmetric window of one element has no period; it is its own middle.
    y.data()[i] = period > 0 ? a - b * std::cos(x) + c * std::cos(2 * x) : a + b + c;
  }
  y.finish(call);
  return {};
}

constexpr double kMelScale = 2595, kMelCorner = 700;

double to_mel(double hertz) {
  return kMelScale * std::log10(1 + hertz / kMelCorner);
}
double from_mel(double mel) {
  return kMelCorner * (std::pow(10.0, mel / kMelScale) - 1);
}

}  // namespace

Result<> run_blackman_window(Call& call) {
  return cosine_window(call, 0.42, 0.5, 0.08);
}
Result<> run_hamming_window(Call& call) {
  return cosine_window(call, 25.0 / 46.0, 21.0 / 46.0, 0);
}
Result<> run_hann_window(Call& call) {
  return cosine_window(call, 0.5, 0.5, 0);
}

Result<> run_mel_weight_matrix(Call& call) {
  ASSIGN_OR_RETURN(const int64_t bins, one_int(call, 0));
  ASSIGN_OR_RETURN(const int64_t length, one_int(call, 1));
  ASSIGN_OR_RETURN(const int64_t rate, one_int(call, 2));
  ASSIGN_OR_RETURN(const double lower, read_number(call, 3, "lower_edge_hertz"));
  ASSIGN_OR_RETURN(const double upper, read_number(call, 4, "upper_edge_hertz"));
  if (bins < 0 || length < 0 || length > kMaxTensorElements || rate < 1)
    return call.invalid("num_mel_bins, dft_length and sample_rate; got {}, {} and {}, need sizes and a rate above 0",
                        bins, length, rate);
  const int64_t rows = length / 2 + 1;
  // Frequencies above half the rate have no row; below, the last edge still lies in the matrix.
  if (!(lower >= 0 && upper >= lower && upper <= static_cast<double>(rate) / 2))
    return call.invalid("edges; got {} to {} hertz, need a range within [0, {}], half the sample rate", lower, upper,
                        static_cast<double>(rate) / 2);
  ASSIGN_OR_RETURN(const DType dtype, read_output_type(call));
  ASSIGN_OR_RETURN(auto y, WideOutput<double>::make(call, 0, dtype, {rows, bins}));
  std::fill_n(y.data(), y.size(), 0.0);
  const double low_mel = to_mel(lower), step = (to_mel(upper) - low_mel) / static_cast<double>(bins + 2);
  const auto row_of = [&](int64_t edge) {
    const double hertz = from_mel(low_mel + static_cast<double>(edge) * step);
    return static_cast<int64_t>(std::floor(static_cast<double>(length + 1) * hertz / static_cast<double>(rate)));
  };
  for (int64_t bin = 0; bin < bins; ++bin) {
    const int64_t low = row_of(bin), center = row_of(bin + 1), high = row_of(bin + 2);
    const auto set = [&](int64_t row, double weight) {
      if (row >= 0 && row < rows) y.data()[row * bins + bin] = weight;
    };
    if (low == center) set(center, 1);
    for (int64_t row = low; row <= center && low < center; ++row)
      set(row, static_cast<double>(row - low) / static_cast<double>(center - low));
    for (int64_t row = center; row < high; ++row)
      set(row, static_cast<double>(high - row) / static_cast<double>(high - center));
  }
  y.finish(call);
  return {};
}

}  // namespace hearth::operators
