// The passes over a long row that choosing needs; each instruction set has its own. Rows are f32.
#pragma once

#include <stdint.h>

namespace hearth::ops::cpu {

struct RowScan {
  // The largest value, -inf when there is none; *nan says whether the row holds a NaN.
  float (*most)(const float* x, int64_t n, int* nan);
  // The largest value of every run of `segment` values, ceil(n / segment) of them.
  void (*segments)(const float* x, int64_t n, int64_t segment, float* most);
  // Indices of the values >= least, ascending; their count.
  int64_t (*collect)(const float* x, int64_t n, float least, int32_t* indices);
  // Sum of e^((x - most) * factor).
  double (*mass)(const float* x, int64_t n, float most, float factor);
};

}  // namespace hearth::ops::cpu
