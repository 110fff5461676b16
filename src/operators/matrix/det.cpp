// Det: determinants of a stack of square matrices, by elimination with row exchanges.
#include <cmath>

#include "operators/matrix/kernels.h"
#include "operators/matrix/multiply.h"
#include "operators/matrix/working_type.h"

namespace hearth::operators {

namespace {

// Destroys the matrix. Double whatever the element type: the product of many pivots loses no more than it must.
double determinant(double* matrix, int64_t n) {
  double product = 1;
  for (int64_t column = 0; column < n; ++column) {
    int64_t pivot = column;
    for (int64_t row = column + 1; row < n; ++row)
      if (std::abs(matrix[row * n + column]) > std::abs(matrix[pivot * n + column])) pivot = row;
    if (matrix[pivot * n + column] == 0) return 0;
    if (pivot != column) {
      std::swap_ranges(matrix + pivot * n, matrix + (pivot + 1) * n, matrix + column * n);
      product = -product;
    }
    const double* top = matrix + column * n;
    product *= top[column];
    for (int64_t row = column + 1; row < n; ++row) {
      double* here = matrix + row * n;
      const double factor = here[column] / top[column];
      for (int64_t i = column + 1; i < n; ++i) here[i] -= factor * top[i];
    }
  }
  return product;
}

}  // namespace

Result<> run_det(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  const Dims& dims = x->dims();
  if (dims.rank() < 2 || dims.back() != dims[dims.size() - 2])
    return call.invalid("input; got {}, need a stack of square matrices", to_string(dims));
  if (info(x->dtype()).kind != DTypeClass::Float)
    return call.unsupported("element type; got {}, need a floating-point type", to_string(x->dtype()));
  const int64_t n = dims.back();
  Dims stack(std::span(dims.begin(), dims.size() - 2));
  ASSIGN_OR_RETURN(auto y, WideOutput<double>::make(call, 0, x->dtype(), stack));
  const int64_t width = info(x->dtype()).block_bytes;
  const auto* bytes = static_cast<const std::byte*>(x->raw());
  const double cost = static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n) / 3;
  TRY(run_units<double>(call, y.size(), static_cast<int64_t>(std::min(cost, 1e15)), n * n,
                        [&](int64_t begin, int64_t end, double* matrix) {
                          for (int64_t i = begin; i < end; ++i) {
                            widen(x->dtype(), bytes + i * n * n * width, n * n, matrix);
                            y.data()[i] = determinant(matrix, n);
                          }
                        }));
  y.finish(call);
  return {};
}

}  // namespace hearth::operators
