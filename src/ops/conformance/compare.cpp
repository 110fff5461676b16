#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ops/conformance/run_case.h"
#include "tensor/float16.h"
#include "tensor/quant_blocks.h"

namespace hearth::ops::conformance {
namespace {

constexpr double kRowTolerance = 2e-2;  // ops.inc, matmul: root mean square of a row's errors
constexpr double kPeakFactor = 5;       // and the largest of them

template <class T>
T load(const CaseTensor& t, int64_t i) {
  T value;
  std::memcpy(&value, t.bytes.data() + static_cast<size_t>(i) * sizeof(T), sizeof(T));
  return value;
}

double error_of(double want, double got) {
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : HUGE_VAL;
  if (std::isinf(want) || std::isinf(got)) return want == got ? 0 : HUGE_VAL;
  return std::fabs(got - want) / (1 + std::fabs(want));
}

double length(const float* values, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += double{values[i]} * double{values[i]};
  return std::sqrt(sum);
}

std::vector<float> floats(const CaseTensor& t) {
  std::vector<float> values(static_cast<size_t>(checked_count(t.dims)));
  if (!values.empty()) dequantise_row(t.dtype, t.bytes.data(), values.data(), static_cast<int64_t>(values.size()));
  return values;
}

// |x_i| |w| / sqrt(n k) for each row: the root mean square that a row of products of random signs has.
std::vector<double> expected_rms(const OpCase& c) {
  const CaseTensor &x = c.inputs[0], &w = c.inputs[1];
  const int64_t m = x.dims[0], k = x.dims[1], n = w.dims[0];
  const std::vector<float> xs = floats(x), ws = floats(w);
  const double weights = length(ws.data(), n * k) / std::sqrt(static_cast<double>(n * k));
  std::vector<double> rms;
  for (int64_t i = 0; i < m; ++i) rms.push_back(length(xs.data() + i * k, k) * weights);
  return rms;
}

double row_error(const CaseTensor& want, const CaseTensor& got, int64_t row, double expected) {
  const int64_t n = want.dims[1];
  double sum = 0, peak = 0;
  for (int64_t j = 0; j < n; ++j) {
    const double error = std::fabs(element(got, row * n + j) - element(want, row * n + j));
    if (!(error < HUGE_VAL)) return HUGE_VAL;
    sum += error * error;
    peak = std::max(peak, error);
  }
  // Few columns scatter more than many: the bound widens by three standard deviations of such a mean.
  const double spread = 1 + 3 / std::sqrt(static_cast<double>(n));
  return std::max(std::sqrt(sum / static_cast<double>(n)) / spread, peak / kPeakFactor) / std::max(expected, 1e-30);
}

bool takes_rounded_activations(const OpCase& c) {
  return c.op->op == Op::Matmul && is_quantised(c.inputs[1].dtype);
}

}  // namespace

double element(const CaseTensor& t, int64_t i) {
  switch (t.dtype) {
    case DType::F32:
      return load<float>(t, i);
    case DType::F16:
      return f16_to_f32(load<uint16_t>(t, i));
    case DType::BF16:
      return bf16_to_f32(load<uint16_t>(t, i));
    case DType::I32:
      return load<int32_t>(t, i);
    case DType::U32:
      return load<uint32_t>(t, i);
    case DType::U8:
      return load<uint8_t>(t, i);
    default:
      CHECK(!"a plain type of the inventory");
      return 0;
  }
}

double tolerance_of(const OpCase& c) {
  const auto half = [](DType type) { return type == DType::F16 || type == DType::BF16; };
  bool narrow = (cases_of(c.op->op).axes & kActivation) != 0 && half(c.types.activation);
  for (const CaseTensor& t : c.outputs) narrow = narrow || half(t.dtype);
  return narrow ? c.op->tolerance_bf16 : c.op->tolerance_f32;
}

Comparison compare(const OpCase& c, const std::vector<CaseTensor>& want, const std::vector<CaseTensor>& got,
                   double tolerance) {
  Comparison result;
  std::vector<double> expected;
  if (takes_rounded_activations(c)) expected = expected_rms(c);
  for (size_t t = 0; t < want.size(); ++t) {
    const int64_t count = checked_count(want[t].dims), columns = want[t].dims.empty() ? 1 : want[t].dims.back();
    std::vector<int64_t> rows;  // with an element out of tolerance
    for (int64_t i = 0; i < count; ++i) {
      const double a = element(want[t], i), b = element(got[t], i), error = error_of(a, b);
      if (error > result.max_error) {
        result.max_error = error;
        result.worst = fmt::format("{}[{}]; got {}, need {}", want[t].name, i, b, a);
      }
      if (error > tolerance && (rows.empty() || rows.back() != i / columns)) rows.push_back(i / columns);
    }
    for (const int64_t row : rows) {
      if (expected.empty()) {
        result.ok = false;
        break;
      }
      const double error = row_error(want[t], got[t], row, expected[static_cast<size_t>(row)]);
      result.row_error = std::max(result.row_error, error);
      result.ok = result.ok && error <= kRowTolerance;
    }
  }
  return result;
}

}  // namespace hearth::ops::conformance
