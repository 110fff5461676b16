// Packing weights into panels: [panel of kPanelRows columns][k][kPanelRows], zeros beyond the last column. A word is
// four bytes: a float, or two brain floats that belong to neighbouring k. Every number is read once, in runs as long as
// the source has them; it need not be aligned.
#pragma once

#include "ops/cpu/dense.h"
#include "ops/cpu/kernels/common.h"

namespace hearth::ops::cpu {
namespace {

// Column j, tap t, channel i lies at at[j * column_stride + t * tap_stride + i * channel_stride] and is multiplied by
// scale[j]; k runs over the taps, and over the channels within each.
struct PackSource {
  const float* at = nullptr;
  int64_t columns = 0, column_stride = 0;
  int64_t taps = 1, tap_stride = 0;
  int64_t channels = 0, channel_stride = 0;
  const float* scale = nullptr;  // [columns], nullptr: none
};

// Words of n floats as pairs or singly.
inline int64_t words_of(int64_t k, Factors factors) {
  return factors == Factors::BF16 ? (k + 1) / 2 : k;
}

// out[j] = the pair of first[j] and second[j], each rounded, for one row of a panel; second nullptr: zeros.
inline void store_pairs(const float* first, const float* second, float* out) {
  alignas(64) Brain brain[2][kPanelRows] = {};
  for (int64_t j = 0; j < kPanelRows; j += kLanes) {
    store(brain[0] + j, load(first + j));
    if (second != nullptr) store(brain[1] + j, load(second + j));
  }
  for (int64_t j = 0; j < kPanelRows; ++j) {
    const uint32_t word = static_cast<uint32_t>(brain[1][j].bits) << 16 | brain[0][j].bits;
    memcpy(out + j, &word, sizeof word);
  }
}

// A panel's factors, and how many of its columns there are.
struct PackPanel {
  F scale[kPanelVectors];
  int64_t columns = 0;
};
inline PackPanel pack_panel(const PackSource& s, int64_t column) {
  PackPanel panel;
  panel.columns = smaller(kPanelRows, s.columns - column);
  for (int v = 0; v < kPanelVectors; ++v) {
    const int n = static_cast<int>(larger(0, smaller(kLanes, panel.columns - v * kLanes)));
    panel.scale[v] = s.scale == nullptr ? fset(1.0f) : n == 0 ? fzero() : load_some(s.scale + column + v * kLanes, n);
  }
  return panel;
}

// One row of a panel whose columns lie side by side.
inline void copy_row(const float* from, const PackPanel& panel, float* out) {
  for (int v = 0; v < kPanelVectors; ++v) {
    const int n = static_cast<int>(larger(0, smaller(kLanes, panel.columns - v * kLanes)));
    store(out + v * kLanes, n == 0 ? fzero() : mul(load_some(from + v * kLanes, n), panel.scale[v]));
  }
}

// Columns side by side: a row of the source at a time, into kRowPanels panels.
constexpr int64_t kRowPanels = 16;
inline void pack_rows(const PackSource& s, Factors factors, float* packed) {
  const int64_t words = words_of(s.channels, factors), panel_floats = s.taps * words * kPanelRows;
  const int64_t panels = (s.columns + kPanelRows - 1) / kPanelRows;
  alignas(64) float pair[2][kPanelRows];
  for (int64_t first = 0; first < panels; first += kRowPanels) {
    const int64_t count = smaller(kRowPanels, panels - first);
    PackPanel panel[kRowPanels];
    for (int64_t p = 0; p < count; ++p) panel[p] = pack_panel(s, (first + p) * kPanelRows);
    float* out = packed + first * panel_floats;
    for (int64_t t = 0; t < s.taps; ++t)
      for (int64_t i = 0; i < s.channels; i += factors == Factors::BF16 ? 2 : 1, out += kPanelRows) {
        const float* from = s.at + first * kPanelRows + t * s.tap_stride + i * s.channel_stride;
        for (int64_t p = 0; p < count; ++p, from += kPanelRows) {
          float* const to = out + p * panel_floats;
          if (factors == Factors::F32) {
            copy_row(from, panel[p], to);
            continue;
          }
          copy_row(from, panel[p], pair[0]);
          if (i + 1 < s.channels) copy_row(from + s.channel_stride, panel[p], pair[1]);
          store_pairs(pair[0], i + 1 < s.channels ? pair[1] : nullptr, to);
        }
      }
  }
}

// Channels [begin, end) of all taps of a panel whose columns are runs of channels * taps numbers: row (t, i) goes to
// out[(t * (end - begin) + i - begin) * kPanelRows].
inline void turn_columns(const PackSource& s, int64_t column, const PackPanel& panel, int64_t begin, int64_t end,
                         float* out) {
  const float* from = s.at + column * s.column_stride + begin * s.taps;
  const int64_t channels = end - begin, count = channels * s.taps;
  int64_t tap = 0, channel = 0;
  for (int64_t k = 0; k < count; k += kLanes) {
    const int n = static_cast<int>(smaller(kLanes, count - k));
    float* rows[kLanes];
    for (int i = 0; i < n; ++i) {
      rows[i] = out + (tap * channels + channel) * kPanelRows;
      if (++tap == s.taps) {
        tap = 0;
        ++channel;
      }
    }
    for (int v = 0; v < kPanelVectors; ++v) {
      const int64_t wide = larger(0, smaller(kLanes, panel.columns - v * kLanes));
      F r[kLanes];
      if (wide == kLanes && n == kLanes) {
#pragma GCC unroll 16
        for (int j = 0; j < kLanes; ++j) r[j] = load(from + (v * kLanes + j) * s.column_stride + k);
        transpose_square(r);
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) store(rows[i] + v * kLanes, mul(r[i], panel.scale[v]));
        continue;
      }
      for (int j = 0; j < kLanes; ++j)
        r[j] = j < wide ? load_some(from + (v * kLanes + j) * s.column_stride + k, n) : fzero();
      transpose_square(r);
      for (int i = 0; i < n; ++i) store(rows[i] + v * kLanes, mul(r[i], panel.scale[v]));
    }
  }
}

// Columns that are runs of k: transposed a square at a time. Pairs go through a block of floats.
constexpr int64_t kTurnedRows = 512;  // of that block
inline void pack_turned(const PackSource& s, Factors factors, float* packed) {
  const int64_t words = words_of(s.channels, factors), panel_floats = s.taps * words * kPanelRows;
  for (int64_t column = 0; column < s.columns; column += kPanelRows, packed += panel_floats) {
    const PackPanel panel = pack_panel(s, column);
    if (factors == Factors::F32) {
      turn_columns(s, column, panel, 0, s.channels, packed);
      continue;
    }
    alignas(64) float block[kTurnedRows * kPanelRows];
    const int64_t step = kTurnedRows / s.taps / 2 * 2;
    for (int64_t i = 0; i < s.channels; i += step) {
      const int64_t end = smaller(s.channels, i + step), channels = end - i;
      turn_columns(s, column, panel, i, end, block);
      for (int64_t t = 0; t < s.taps; ++t)
        for (int64_t c = 0; c < channels; c += 2) {
          const float* row = block + (t * channels + c) * kPanelRows;
          store_pairs(row, c + 1 < channels ? row + kPanelRows : nullptr,
                      packed + (t * words + (i + c) / 2) * kPanelRows);
        }
    }
  }
}

// Any strides, a number at a time.
inline void gather_row(const PackSource& s, int64_t column, int64_t tap, int64_t channel, float* out) {
  const int64_t n = smaller(kPanelRows, s.columns - column);
  const float* from = s.at + column * s.column_stride + tap * s.tap_stride + channel * s.channel_stride;
  for (int64_t j = 0; j < kPanelRows; ++j) out[j] = 0;
  for (int64_t j = 0; j < n; ++j) {
    memcpy(out + j, from + j * s.column_stride, sizeof(float));
    if (s.scale != nullptr) out[j] *= s.scale[column + j];
  }
}
inline void pack_gathered(const PackSource& s, Factors factors, float* out) {
  alignas(64) float pair[2][kPanelRows];
  for (int64_t column = 0; column < s.columns; column += kPanelRows)
    for (int64_t tap = 0; tap < s.taps; ++tap)
      for (int64_t i = 0; i < s.channels; i += factors == Factors::BF16 ? 2 : 1, out += kPanelRows) {
        if (factors == Factors::F32) {
          gather_row(s, column, tap, i, out);
          continue;
        }
        gather_row(s, column, tap, i, pair[0]);
        if (i + 1 < s.channels) gather_row(s, column, tap, i + 1, pair[1]);
        store_pairs(pair[0], i + 1 < s.channels ? pair[1] : nullptr, out);
      }
}

inline void pack_panels(const PackSource& s, Factors factors, void* packed) {
  auto* const out = static_cast<float*>(packed);
  if (s.column_stride == 1) return pack_rows(s, factors, out);
  const bool runs = s.channel_stride == s.taps && (s.taps == 1 || s.tap_stride == 1);
  const bool fits = factors == Factors::F32 || s.taps <= kTurnedRows / 2;
  return runs && fits ? pack_turned(s, factors, out) : pack_gathered(s, factors, out);
}

}  // namespace
}  // namespace hearth::ops::cpu
