#include "operators/matrix/multiply.h"

#include <algorithm>

namespace hearth::operators {

namespace {

// Fewer rows than this are not worth packing the right factor for.
constexpr int64_t kFewRows = kPanelRows;
constexpr int64_t kMaxRuns = 32;                // of one parallel loop: bounds the scratch
constexpr int64_t kRunCost = int64_t{1} << 16;  // multiplications that pay for waking a thread

// y (one row) = or += a (one row) · B, whose rows are contiguous. Blocks of columns and depth keep the sums in the
// first level of the cache and short.
template <class C>
void row_times_rows(const C* a, int64_t a_stride, const C* b, int64_t b_row_stride, int64_t columns, int64_t depth,
                    C* y, bool accumulate) {
  constexpr int64_t kBlock = 1024 / static_cast<int64_t>(sizeof(C));
  C sums[kBlock];
  for (int64_t j = 0; j < columns; j += kBlock) {
    const int64_t wide = std::min(kBlock, columns - j);
    if (!accumulate) std::fill_n(y + j, wide, C{});
    for (int64_t p0 = 0; p0 < depth; p0 += kDepth) {
      std::fill_n(sums, wide, C{});
      for (int64_t p = p0; p < std::min(depth, p0 + kDepth); ++p) {
        const C factor = a[p * a_stride];
        const C* row = b + p * b_row_stride + j;
        for (int64_t c = 0; c < wide; ++c) sums[c] += factor * row[c];
      }
      for (int64_t c = 0; c < wide; ++c) y[j + c] += sums[c];
    }
  }
}

// The dot product of two contiguous rows, in 8 interleaved sums.
template <class C>
C dot(const C* a, const C* b, int64_t count) {
  constexpr int64_t kSums = 8;
  C total{};
  for (int64_t p0 = 0; p0 < count; p0 += kDepth * kSums) {
    const int64_t end = std::min(count, p0 + kDepth * kSums);
    C sums[kSums] = {};
    int64_t p = p0;
    for (; p + kSums <= end; p += kSums)
      for (int64_t s = 0; s < kSums; ++s) sums[s] += a[p + s] * b[p + s];
    for (int64_t s = 0; p < end; ++p, ++s) sums[s] += a[p] * b[p];
    total += ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
  }
  return total;
}

// A few rows at a time without packing; false when the strides do not allow it.
template <class C>
bool multiply_few_rows(const Factor<C>& a, const Factor<C>& b, int64_t depth, const Part& part, C* y, int64_t y_stride,
                       bool accumulate) {
  if (b.column_stride == 1 || part.columns == 1) {
    if (part.columns == 1 && b.row_stride == 1 && a.column_stride == 1) {
      for (int64_t i = 0; i < part.rows; ++i) {
        const C sum = dot(a.data + (part.row + i) * a.row_stride, b.data + part.column * b.column_stride, depth);
        y[i * y_stride] = accumulate ? y[i * y_stride] + sum : sum;
      }
      return true;
    }
    for (int64_t i = 0; i < part.rows; ++i)
      row_times_rows(a.data + (part.row + i) * a.row_stride, a.column_stride, b.data + part.column * b.column_stride,
                     b.row_stride, part.columns, depth, y + i * y_stride, accumulate);
    return true;
  }
  if (b.row_stride != 1 || a.column_stride != 1) return false;
  for (int64_t j = 0; j < part.columns; ++j)
    for (int64_t i = 0; i < part.rows; ++i) {
      const C sum = dot(a.data + (part.row + i) * a.row_stride, b.data + (part.column + j) * b.column_stride, depth);
      y[i * y_stride + j] = accumulate ? y[i * y_stride + j] + sum : sum;
    }
  return true;
}

}  // namespace

template <class C>
int64_t multiply_scratch(int64_t rows, int64_t columns, int64_t depth) {
  const int64_t deep = std::min(depth, kDepth);
  return deep * (round_up(std::min(columns, kWidth), panel_columns<C>) + round_up(std::min(rows, kHeight), kPanelRows));
}

template <class C>
void multiply(const Factor<C>& a, const Factor<C>& b, int64_t depth, const Part& part, C* y, int64_t y_stride,
              bool accumulate, C* scratch) {
  if (depth == 0) {
    if (!accumulate)
      for (int64_t i = 0; i < part.rows; ++i) std::fill_n(y + i * y_stride, part.columns, C{});
    return;
  }
  if (part.rows < kFewRows && multiply_few_rows(a, b, depth, part, y, y_stride, accumulate)) return;
  // One column is one row of the transposed product.
  if (part.columns == 1 && y_stride == 1 &&
      multiply_few_rows(b.transposed(), a.transposed(), depth, Part{part.column, 1, part.row, part.rows}, y, part.rows,
                        accumulate))
    return;

  C* const left = scratch + std::min(depth, kDepth) * round_up(std::min(part.columns, kWidth), panel_columns<C>);
  for (int64_t j = 0; j < part.columns; j += kWidth) {
    const int64_t wide = std::min(kWidth, part.columns - j);
    for (int64_t p = 0; p < depth; p += kDepth) {
      const int64_t deep = std::min(kDepth, depth - p);
      const C* b_panels = scratch;
      if (b.panels != nullptr)
        b_panels = b.panels + p * b.panel_extent + (part.column + j) * deep;
      else
        pack_right(b, p, deep, part.column + j, wide, scratch);
      for (int64_t i = 0; i < part.rows; i += kHeight) {
        const int64_t high = std::min(kHeight, part.rows - i);
        const C* a_panels = left;
        if (a.panels != nullptr)
          a_panels = a.panels + p * a.panel_extent + (part.row + i) * deep;
        else
          pack_left(a, part.row + i, high, p, deep, left);
        multiply_panels(a_panels, b_panels, high, wide, deep, y + i * y_stride + j, y_stride, accumulate || p > 0);
      }
    }
  }
}

int64_t part_rows(int64_t rows, int64_t units) {
  constexpr int64_t kWanted = 16, kLowest = 32;
  int64_t part = round_up(std::max<int64_t>(rows, 1), kPanelRows);
  while (part > kLowest && (rows + part - 1) / part * units < kWanted) part = round_up(part / 2, kPanelRows);
  return part;
}

template <class C>
Result<> run_units(Call& call, int64_t count, int64_t cost, int64_t scratch_elements,
                   const std::function<void(int64_t, int64_t, C*)>& body) {
  if (count == 0) return {};
  // Costs are products of sizes; as doubles they cannot overflow.
  const double work = static_cast<double>(count) * static_cast<double>(cost);
  const int64_t paying = static_cast<int64_t>(std::min(work / static_cast<double>(kRunCost), 1e6));
  const int64_t runs = std::clamp<int64_t>(std::min(paying, count), 1, kMaxRuns);
  ASSIGN_OR_RETURN(const auto scratch, Scratch<C>::make(call, {runs, scratch_elements}));
  call.parallel(runs, 1, [&](int64_t begin, int64_t end) {
    for (int64_t run = begin; run < end; ++run)
      body(count * run / runs, count * (run + 1) / runs, scratch.data() + run * scratch_elements);
  });
  return {};
}

template <class C>
Result<> multiply_all(Call& call, int64_t count, int64_t rows, int64_t columns, int64_t depth,
                      const std::function<Product<C>(int64_t)>& product) {
  if (count == 0 || rows == 0 || columns == 0) return {};
  constexpr int64_t kTallest = 256, kWidest = 4 * kWidth;
  // A product with one row or column streams its other factor once: it is split along that one only.
  const int64_t wide = std::min(columns, kWidest);
  const int64_t across = (columns + wide - 1) / wide;
  const int64_t high = std::min(part_rows(rows, count * across), kTallest);
  const int64_t down = (rows + high - 1) / high;
  const double cost = static_cast<double>(high) * static_cast<double>(wide) * static_cast<double>(depth);
  return run_units<C>(call, count * across * down, static_cast<int64_t>(std::min(cost, 1e15)),
                      multiply_scratch<C>(high, wide, depth), [&](int64_t begin, int64_t end, C* scratch) {
                        for (int64_t unit = begin; unit < end; ++unit) {
                          const Product<C> one = product(unit / (across * down));
                          const int64_t row = unit % down * high, column = unit / down % across * wide;
                          const Part part{row, std::min(high, rows - row), column, std::min(wide, columns - column)};
                          multiply(one.a, one.b, depth, part, one.y + row * columns + column, columns, false, scratch);
                        }
                      });
}

#define HEARTH_MULTIPLY(C)                                                                                            \
  template int64_t multiply_scratch<C>(int64_t, int64_t, int64_t);                                                    \
  template void multiply<C>(const Factor<C>&, const Factor<C>&, int64_t, const Part&, C*, int64_t, bool, C*);         \
  template Result<> run_units<C>(Call&, int64_t, int64_t, int64_t, const std::function<void(int64_t, int64_t, C*)>&); \
  template Result<> multiply_all<C>(Call&, int64_t, int64_t, int64_t, int64_t,                                        \
                                    const std::function<Product<C>(int64_t)>&);
HEARTH_MULTIPLY(float)
HEARTH_MULTIPLY(double)
HEARTH_MULTIPLY(uint32_t)
HEARTH_MULTIPLY(uint64_t)
#undef HEARTH_MULTIPLY

}  // namespace hearth::operators
