// How packed matrices are laid out. Read by the packer and by kernels of every instruction set: constants and plain
// structs only, no function that a linker could pick from the wrong object.
//
// A matrix [n, k] is cut in panels of P rows (32 for CpuPanel32, 8 for CpuPanel8), the last one padded with zero rows.
//
// Float panels: k columns of P values in the matrix's own type (f32, f16 or bf16).
//
// Quantised panels: w = scale * (code - offset) - minimum. k is cut in blocks of 32. A block holds
//   codes   unsigned bytes, four k-values of a row side by side, then the next row: 8 groups of P x 4 bytes;
//           with 4-bit codes groups 2i (low nibbles) and 2i + 1 (high nibbles) share the bytes of one group
//   scales  per row, and minima per row where the type has them:
//     ScaleKind::Half   f16 scales, f16 minima
//     ScaleKind::Super  every 8 blocks are led by f16 factors d (and dmin) per row; a block has u8 (i8 when block = 16)
//                       sub-scales and u8 sub-minima, so the products stay exact
// Types with a scale per 16 values have two sets of scales in a block of 32.
// CpuPanel8 stores the codes of Q8_0 as signed bytes (AVX2 and portable multiply signed by signed); CpuPanel32 stores
// all codes unsigned, as vpdpbusd wants them.
#pragma once

#include <stdint.h>

namespace hearth::ops::cpu {

enum class ScaleKind : uint8_t { Half, Super, Float };  // Float: only in kernels' scratch, f32 scales and minima

struct PanelFormat {
  uint8_t bits = 8;    // 4 or 8
  uint8_t block = 32;  // values a scale covers: 32 or 16
  bool minimum = false;
  ScaleKind scale = ScaleKind::Half;
  bool wide = false;  // codes use all 8 bits
  bool operator==(const PanelFormat&) const = default;
};

inline constexpr PanelFormat kFormatQ4_0{4, 32, false, ScaleKind::Half, false};
inline constexpr PanelFormat kFormatQ4_1{4, 32, true, ScaleKind::Half, false};
inline constexpr PanelFormat kFormatQ4K{4, 32, true, ScaleKind::Super, false};
inline constexpr PanelFormat kFormatQ5_0{8, 32, false, ScaleKind::Half, false};
inline constexpr PanelFormat kFormatQ5_1{8, 32, true, ScaleKind::Half, false};
inline constexpr PanelFormat kFormatQ5K{8, 32, true, ScaleKind::Super, false};
inline constexpr PanelFormat kFormatQ6K{8, 16, false, ScaleKind::Super, false};
inline constexpr PanelFormat kFormatQ8_0{8, 32, false, ScaleKind::Half, true};

// Bytes of the factors in front of 8 blocks, of one block's codes, and of one whole block, for panels of `rows` rows.
#define HEARTH_PANEL_HEAD_BYTES(f, rows) ((f).scale == ScaleKind::Super ? (rows) * 2 * ((f).minimum ? 2 : 1) : 0)
#define HEARTH_PANEL_CODE_BYTES(f, rows) ((rows) * 4 * (f).bits)
#define HEARTH_PANEL_SCALE_BYTES(f, rows) \
  ((rows) * (32 / (f).block) * ((f).scale == ScaleKind::Super ? 1 : (f).scale == ScaleKind::Half ? 2 : 4))
#define HEARTH_PANEL_BLOCK_BYTES(f, rows) \
  (HEARTH_PANEL_CODE_BYTES(f, rows) + HEARTH_PANEL_SCALE_BYTES(f, rows) * ((f).minimum ? 2 : 1))

}  // namespace hearth::ops::cpu
