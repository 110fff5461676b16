#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/array/compute_copy.h"

namespace hearth::operators {

namespace {

// Evenly spaced over -1 to 1: from centre to centre of the outer pixels, or from edge to edge.
double place_of(int64_t i, int64_t size, bool align_corners) {
  const double n = static_cast<double>(size), x = static_cast<double>(i);
  if (!align_corners) return (2 * x + 1) / n - 1;
  return size > 1 ? 2 * x / (n - 1) - 1 : -1;
}

// Half precision goes through float, as its grid is only as exact as its elements.
template <class C>
void fill_grid(Call& call, std::span<const int64_t> sizes, bool align_corners, const C* theta, int64_t batch, C* grid) {
  const size_t axes = sizes.size();
  int64_t points = 1;
  for (const int64_t size : sizes) points *= size;
  const size_t columns = axes + 1;
  call.parallel(batch * points, 1 << 10, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      double at[3];  // x first: the innermost axis
      int64_t rest = p % points;
      for (size_t i = 0; i < axes; ++i) {
        const int64_t size = sizes[axes - 1 - i];
        at[i] = place_of(rest % size, size, align_corners);
        rest /= size;
      }
      const C* matrix = theta + static_cast<size_t>(p / points) * axes * columns;
      for (size_t row = 0; row < axes; ++row) {
        double sum = static_cast<double>(matrix[row * columns + axes]);
        for (size_t i = 0; i < axes; ++i) sum += static_cast<double>(matrix[row * columns + i]) * at[i];
        grid[static_cast<size_t>(p) * axes + row] = static_cast<C>(sum);
      }
    }
  });
}

}  // namespace

Result<> run_affine_grid(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* theta, call.tensor(0));
  ASSIGN_OR_RETURN(const auto size, int_list(call, 1));
  if (size.size() != 4 && size.size() != 5)
    return call.invalid("size; got {} numbers, need 4 (N, C, H, W) or 5 (N, C, D, H, W)", size.size());
  const auto axes = static_cast<int64_t>(size.size()) - 2;
  if (!(theta->dims() == Dims{size[0], axes, axes + 1}))
    return call.invalid("theta; got shape {}, need {}", to_string(theta->dims()),
                        to_string(Dims{size[0], axes, axes + 1}));
  if (info(theta->dtype()).kind != DTypeClass::Float)
    return call.invalid("theta; got {}, need floats", to_string(theta->dtype()));
  std::vector<int64_t> sizes = {size[0]};
  sizes.insert(sizes.end(), size.begin() + 2, size.end());
  sizes.push_back(axes);
  ASSIGN_OR_RETURN(const Dims dims, to_dims(call, sizes));
  ASSIGN_OR_RETURN(const Tensor wide, widen(call, *theta));
  ASSIGN_OR_RETURN(Tensor grid, Tensor::allocate(wide.dtype(), dims, call.memory()));
  const bool align_corners = call.node().int_or("align_corners", 0) != 0;
  const std::span<const int64_t> spatial(size.begin() + 2, size.end());
  if (grid.size() > 0) {
    if (wide.dtype() == DType::F64)
      fill_grid(call, spatial, align_corners, wide.data<double>(), size[0], grid.mutable_data<double>());
    else
      fill_grid(call, spatial, align_corners, wide.data<float>(), size[0], grid.mutable_data<float>());
  }
  return narrow(call, grid, Rounding::Nearest, 0, theta->dtype());
}

}  // namespace hearth::operators
