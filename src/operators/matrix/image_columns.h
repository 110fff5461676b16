// An image as the right factor of a product: row (channel, tap) holds, for every position of the window, the input that
// the tap meets, or zero. Never laid out as a whole: packed a block at a time, or added back a block at a time.
#pragma once

#include <algorithm>

#include "operators/matrix/panels.h"
#include "operators/matrix/window.h"
#include "operators/matrix/working_type.h"

namespace hearth::operators {

template <class C>
class ImageColumns {
 public:
  // `window` must outlive it.
  static Result<ImageColumns> make(Call& call, const Window& window) {
    ImageColumns made(window);
    const int64_t rows = window.out_rows();
    ASSIGN_OR_RETURN(made.in_rows_, Scratch<int64_t>::make(call, {window.outer_taps(), rows}));
    std::fill_n(made.in_rows_.data(), window.outer_taps() * rows, int64_t{-1});
    for (int64_t row = 0; row < rows; ++row)
      window.for_each_row(row, [&](int64_t tap, int64_t in_row) { made.in_rows_[tap * rows + row] = in_row; });
    return made;
  }

  // Right panels of rows [depth, depth + depths) and positions [position, position + count), count <= kWidth.
  // `planes` are the input channels that row 0 begins with.
  void pack(const C* planes, int64_t depth, int64_t depths, int64_t position, int64_t count, C* to) const {
    constexpr int64_t kColumns = panel_columns<C>;
    const int64_t step = window_.last().stride;
    C row[kWidth];
    std::fill_n(row, kWidth, C{});  // what pads the last panel
    for (int64_t p = 0; p < depths; ++p) {
      const C* plane = planes + (depth + p) / taps_ * in_size_;
      std::fill_n(row, count, C{});
      for_each_run((depth + p) % taps_, position, count, [&](int64_t at, int64_t run, int64_t input) {
        const C* from = plane + input;
        if (step == 1)
          std::copy_n(from, run, row + at);
        else
          for (int64_t i = 0; i < run; ++i) row[at + i] = from[i * step];
      });
      for (int64_t j = 0; j < count; j += kColumns)
        std::memcpy(to + j * depths + p * kColumns, row + j, sizeof(C) * kColumns);
    }
  }

  // Adds row (channel, tap) of the matrix, given for positions [position, position + count), to the input elements it
  // stands for.
  void add_back(const C* row, int64_t tap, int64_t position, int64_t count, C* plane) const {
    const int64_t step = window_.last().stride;
    for_each_run(tap, position, count, [&](int64_t at, int64_t run, int64_t input) {
      C* to = plane + input;
      for (int64_t i = 0; i < run; ++i) to[i * step] += row[at + i];
    });
  }

 private:
  explicit ImageColumns(const Window& window)
      : window_(window), runs_(window.tap_runs()), taps_(window.taps()), in_size_(window.in_size()) {}

  // visit(at, run, input) for runs of positions whose inputs exist: position + at + i meets input + i * stride.
  template <class Visit>
  void for_each_run(int64_t tap, int64_t position, int64_t count, Visit&& visit) const {
    const WindowAxis& last = window_.last();
    const TapRun& valid = runs_[static_cast<size_t>(tap % last.kernel)];
    const int64_t* in_rows = in_rows_.data() + tap / last.kernel * window_.out_rows();
    for (int64_t at = 0; at < count;) {
      const int64_t row = (position + at) / last.out, first = (position + at) % last.out;
      const int64_t end = std::min(last.out, first + count - at);
      const int64_t begin = std::max(first, valid.begin), stop = std::min(end, valid.end);
      if (in_rows[row] >= 0 && begin < stop)
        visit(at + begin - first, stop - begin, in_rows[row] * last.in + begin * last.stride + valid.offset);
      at += end - first;
    }
  }

  const Window& window_;
  std::vector<TapRun> runs_;
  int64_t taps_, in_size_;
  Scratch<int64_t> in_rows_;  // [outer tap][output row] → input row, -1 where there is none
};

}  // namespace hearth::operators
