// The inner parts of a blocked matrix product: a left factor in panels of kPanelRows rows, a right factor in panels of
// panel_columns<C> columns, both running along the depth, and the loop that multiplies two panels in registers.
// Ragged edges are filled with zeros, whose sums nobody reads. Written with the vector extension that gcc and clang
// share, 16 bytes wide: every target has that many.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace hearth::operators {

inline constexpr int64_t kPanelRows = 4;
template <class C>
inline constexpr int64_t panel_columns = 32 / static_cast<int64_t>(sizeof(C));

// Blocks of the product: kDepth × kWidth of the right factor and kHeight × kDepth of the left one stay in the second
// level of the cache.
inline constexpr int64_t kDepth = 256, kWidth = 128, kHeight = 64;

constexpr int64_t round_up(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

// A matrix somewhere in memory; strides in elements, 0 and negative ones too.
template <class C>
struct Factor {
  const C* data = nullptr;
  int64_t row_stride = 0, column_stride = 0;
  // pack_whole_left's or pack_whole_right's work, when it was done before, and the rounded-up rows or columns it has.
  const C* panels = nullptr;
  int64_t panel_extent = 0;

  Factor transposed() const { return {data, column_stride, row_stride}; }
};

// Rows [row, row + rows) and depths [depth, depth + depths) of a left factor; `to` holds round_up(rows, kPanelRows) *
// depths.
template <class C>
void pack_left(const Factor<C>& a, int64_t row, int64_t rows, int64_t depth, int64_t depths, C* to) {
  for (int64_t i = 0; i < rows; i += kPanelRows) {
    const int64_t valid = std::min(kPanelRows, rows - i);
    const C* from = a.data + (row + i) * a.row_stride + depth * a.column_stride;
    if (valid == kPanelRows && a.row_stride == 1) {
      for (int64_t p = 0; p < depths; ++p)
        std::memcpy(to + p * kPanelRows, from + p * a.column_stride, sizeof(C) * kPanelRows);
    } else {
      for (int64_t r = 0; r < valid; ++r)
        for (int64_t p = 0; p < depths; ++p) to[p * kPanelRows + r] = from[r * a.row_stride + p * a.column_stride];
      for (int64_t r = valid; r < kPanelRows; ++r)
        for (int64_t p = 0; p < depths; ++p) to[p * kPanelRows + r] = C{};
    }
    to += kPanelRows * depths;
  }
}

// Columns [column, column + columns) and depths [depth, depth + depths) of a right factor; `to` holds
// round_up(columns, panel_columns<C>) * depths.
template <class C>
void pack_right(const Factor<C>& b, int64_t depth, int64_t depths, int64_t column, int64_t columns, C* to) {
  constexpr int64_t kColumns = panel_columns<C>;
  for (int64_t j = 0; j < columns; j += kColumns) {
    const int64_t valid = std::min(kColumns, columns - j);
    const C* from = b.data + depth * b.row_stride + (column + j) * b.column_stride;
    if (valid == kColumns && b.column_stride == 1) {
      for (int64_t p = 0; p < depths; ++p)
        std::memcpy(to + p * kColumns, from + p * b.row_stride, sizeof(C) * kColumns);
    } else {
      for (int64_t c = 0; c < valid; ++c)
        for (int64_t p = 0; p < depths; ++p) to[p * kColumns + c] = from[p * b.row_stride + c * b.column_stride];
      for (int64_t c = valid; c < kColumns; ++c)
        for (int64_t p = 0; p < depths; ++p) to[p * kColumns + c] = C{};
    }
    to += kColumns * depths;
  }
}

// Whole factors, block of kDepth by block: what Factor::panels points to. Sizes in elements.
template <class C>
int64_t left_panels_size(int64_t rows, int64_t depth) {
  return round_up(rows, kPanelRows) * depth;
}
template <class C>
int64_t right_panels_size(int64_t depth, int64_t columns) {
  return round_up(columns, panel_columns<C>) * depth;
}
template <class C>
void pack_whole_left(const Factor<C>& a, int64_t rows, int64_t depth, C* to) {
  for (int64_t p = 0; p < depth; p += kDepth)
    pack_left(a, 0, rows, p, std::min(kDepth, depth - p), to + p * round_up(rows, kPanelRows));
}
template <class C>
void pack_whole_right(const Factor<C>& b, int64_t depth, int64_t columns, C* to) {
  for (int64_t p = 0; p < depth; p += kDepth)
    pack_right(b, p, std::min(kDepth, depth - p), 0, columns, to + p * round_up(columns, panel_columns<C>));
}

// y[rows × columns] = or += a panel block · b panel block.
template <class C>
void multiply_panels(const C* a, const C* b, int64_t rows, int64_t columns, int64_t depth, C* y, int64_t y_stride,
                     bool accumulate) {
  typedef C Vector __attribute__((vector_size(16), aligned(sizeof(C)), may_alias));
  typedef C Register __attribute__((vector_size(16)));
  constexpr int64_t kColumns = panel_columns<C>, kLanes = kColumns / 2;
  for (int64_t j = 0; j < columns; j += kColumns) {
    const C* b_panel = b + j * depth;
    const int64_t wide = std::min(kColumns, columns - j);
    for (int64_t i = 0; i < rows; i += kPanelRows) {
      const C* a_panel = a + i * depth;
      Register sums[kPanelRows][2] = {};
      for (int64_t p = 0; p < depth; ++p) {
        const Register b0 = *reinterpret_cast<const Vector*>(b_panel + p * kColumns);
        const Register b1 = *reinterpret_cast<const Vector*>(b_panel + p * kColumns + kLanes);
        for (int64_t r = 0; r < kPanelRows; ++r) {
          const C factor = a_panel[p * kPanelRows + r];
          sums[r][0] += b0 * factor;
          sums[r][1] += b1 * factor;
        }
      }
      const int64_t high = std::min(kPanelRows, rows - i);
      C* to = y + i * y_stride + j;
      if (wide == kColumns) {
        for (int64_t r = 0; r < high; ++r, to += y_stride) {
          auto* out = reinterpret_cast<Vector*>(to);
          out[0] = accumulate ? out[0] + sums[r][0] : sums[r][0];
          out[1] = accumulate ? out[1] + sums[r][1] : sums[r][1];
        }
      } else {
        for (int64_t r = 0; r < high; ++r, to += y_stride)
          for (int64_t c = 0; c < wide; ++c) {
            const C sum = c < kLanes ? sums[r][0][c] : sums[r][1][c - kLanes];
            to[c] = accumulate ? to[c] + sum : sum;
          }
      }
    }
  }
}

}  // namespace hearth::operators
