#include "operators/strided_copy.h"

#include <algorithm>

#include "operators/element_storage.h"
#include "ops/cpu/dense.h"

namespace hearth::operators {

namespace {

constexpr int64_t kTile = 16;                // rows and columns of a transposed tile: both sides stay in the L1 cache
constexpr int64_t kGrainElements = 1 << 15;  // less is not worth another thread

using Axis = StridedCopy::Axis;

// Axes of size 1 dropped, axes that one step walks joined; false when the box is empty.
bool simplify(const StridedCopy& box, StridedCopy& simple) {
  simple.rank = 0;
  if (std::any_of(box.axes, box.axes + box.rank, [](const Axis& axis) { return axis.size <= 0; })) return false;
  for (int i = 0; i < box.rank; ++i) {
    const Axis& axis = box.axes[i];
    if (axis.size == 1) continue;
    if (simple.rank > 0) {
      Axis& outer = simple.axes[simple.rank - 1];
      if (outer.to == axis.size * axis.to && outer.from == axis.size * axis.from) {
        outer = {outer.size * axis.size, axis.to, axis.from};
        continue;
      }
    }
    simple.axes[simple.rank++] = axis;
  }
  if (simple.rank == 0) simple.add(1, 1, 1);
  return true;
}

// Brings the axis that `from` walks one by one next to the innermost: the two are then copied in tiles.
bool make_tiles(StridedCopy& box) {
  if (box.rank < 2 || box.axes[box.rank - 1].from == 1 || box.axes[box.rank - 1].to != 1) return false;
  for (int i = 0; i < box.rank - 1; ++i)
    if (box.axes[i].from == 1) {
      std::rotate(box.axes + i, box.axes + i + 1, box.axes + box.rank - 1);
      return true;
    }
  return false;
}

template <class T>
void copy_row(const Axis& axis, T* to, const T* from) {
  if (axis.to == 1 && axis.from == 1) {
    std::copy_n(from, axis.size, to);
  } else if (axis.to == 1 && axis.from == 0) {
    std::fill_n(to, axis.size, *from);
  } else {
    for (int64_t i = 0; i < axis.size; ++i) to[i * axis.to] = from[i * axis.from];
  }
}

template <class T>
void copy_tiles(const Axis& rows, const Axis& columns, T* to, const T* from) {
  for (int64_t r0 = 0; r0 < rows.size; r0 += kTile) {
    const int64_t r1 = std::min(rows.size, r0 + kTile);
    for (int64_t c0 = 0; c0 < columns.size; c0 += kTile) {
      const int64_t c1 = std::min(columns.size, c0 + kTile);
      for (int64_t r = r0; r < r1; ++r)
        for (int64_t c = c0; c < c1; ++c) to[r * rows.to + c] = from[r + c * columns.from];
    }
  }
}

template <class T>
void copy_axes(const Axis* axes, int rank, bool tiles, T* to, const T* from) {
  if (rank == 1) return copy_row(axes[0], to, from);
  if (rank == 2 && tiles) return copy_tiles(axes[0], axes[1], to, from);
  for (int64_t i = 0; i < axes[0].size; ++i)
    copy_axes(axes + 1, rank - 1, tiles, to + i * axes[0].to, from + i * axes[0].from);
}

// A stack of whole matrices transposed, elements of four bytes: the kernel moves bits, whatever they mean.
bool transpose_dense(Call& call, const StridedCopy& box, void* to, const void* from) {
  if (box.rank != 2 && box.rank != 3) return false;
  const Axis& columns = box.axes[box.rank - 2];  // of the source
  const Axis& rows = box.axes[box.rank - 1];
  const int64_t size = rows.size * columns.size, count = box.rank == 3 ? box.axes[0].size : 1;
  if (columns.from != 1 || rows.from != columns.size || rows.to != 1 || columns.to != rows.size) return false;
  if (box.rank == 3 && (box.axes[0].from != size || box.axes[0].to != size)) return false;
  ops::cpu::dense_kernels().transpose(static_cast<const float*>(from), static_cast<float*>(to), count, rows.size,
                                      columns.size, call.pool());
  return true;
}

// Outermost axes whose indices are divided among the threads: the first, and as many more as it takes to keep them
// busy. The innermost axis stays whole, and of a tile both.
int divided_axes(const StridedCopy& box, bool tiles) {
  constexpr int64_t kWanted = 64;
  int64_t units = box.axes[0].size;
  int count = 1;
  while (units < kWanted && count < box.rank - (tiles ? 2 : 1)) units *= box.axes[count++].size;
  return count;
}

}  // namespace

Strides dense_strides(const Dims& dims) {
  Strides strides = {};
  uint64_t stride = 1;  // unsigned: sizes beside a zero may be anything
  for (int i = dims.rank() - 1; i >= 0; --i) {
    strides[static_cast<size_t>(i)] = static_cast<int64_t>(stride);
    stride *= static_cast<uint64_t>(dims[static_cast<size_t>(i)]);
  }
  return strides;
}

void copy_strided(Call& call, DType dtype, const StridedCopy& box, void* to, const void* from) {
  StridedCopy simple;
  if (!simplify(box, simple)) return;
  if (bytes_of(dtype, 1) == 4 && transpose_dense(call, simple, to, from)) return;
  const bool tiles = make_tiles(simple);
  const int divided = divided_axes(simple, tiles);
  int64_t units = 1, per_unit = 1;
  for (int i = 0; i < simple.rank; ++i) (i < divided ? units : per_unit) *= simple.axes[i].size;
  const int64_t grain = std::max<int64_t>(1, kGrainElements / per_unit);
  with_storage(dtype, [&]<class T>() {
    call.parallel(units, grain, [&](int64_t begin, int64_t end) {
      if (divided == 1) {
        Axis axes[StridedCopy::kMaxRank];
        std::copy_n(simple.axes, simple.rank, axes);
        axes[0].size = end - begin;
        copy_axes(axes, simple.rank, tiles, static_cast<T*>(to) + begin * axes[0].to,
                  static_cast<const T*>(from) + begin * axes[0].from);
        return;
      }
      for (int64_t unit = begin; unit < end; ++unit) {
        int64_t rest = unit, to_offset = 0, from_offset = 0;
        for (int i = divided; i-- > 0; rest /= simple.axes[i].size) {
          const int64_t at = rest % simple.axes[i].size;
          to_offset += at * simple.axes[i].to;
          from_offset += at * simple.axes[i].from;
        }
        copy_axes(simple.axes + divided, simple.rank - divided, tiles, static_cast<T*>(to) + to_offset,
                  static_cast<const T*>(from) + from_offset);
      }
    });
  });
}

}  // namespace hearth::operators
