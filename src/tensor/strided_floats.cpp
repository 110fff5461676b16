#include "tensor/strided_floats.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/file.h"
#include "tensor/value.h"

namespace hearth {

namespace {

float number_at(const std::byte* from, int64_t index) {
  float number;
  std::memcpy(&number, from + index * static_cast<int64_t>(sizeof number), sizeof number);
  return number;
}

constexpr int64_t kTile = 32;  // of a transposition: a tile of both sides stays in the first cache

// [rows, columns] with these strides, dense. `row_scale` and `column_scale`: numbers or nullptr.
void write_plane(const std::byte* from, const StridedFloats::Axis& row, const StridedFloats::Axis& column,
                 const float* row_scale, const float* column_scale, float factor, float* to) {
  for (int64_t i0 = 0; i0 < row.size; i0 += kTile)
    for (int64_t j0 = 0; j0 < column.size; j0 += kTile)
      for (int64_t i = i0, rows = std::min(i0 + kTile, row.size); i < rows; ++i) {
        const float times = row_scale != nullptr ? row_scale[i] : factor;
        for (int64_t j = j0, columns = std::min(j0 + kTile, column.size); j < columns; ++j)
          to[i * column.size + j] =
              number_at(from, i * row.stride + j * column.stride) * (column_scale != nullptr ? column_scale[j] : times);
      }
}

}  // namespace

StridedFloats StridedFloats::of(const Tensor& tensor) {
  if (const StridedFloats* held = tensor.deferred()) return *held;
  StridedFloats made;
  made.from = tensor.data<std::byte>();
  made.owner = tensor.owner();
  made.source = {made.from, tensor.bytes()};
  made.mapped = tensor.mapped();
  made.axes = {{.size = tensor.size(), .stride = 1}};
  made.merge();
  return made;
}

int64_t StridedFloats::size() const {
  int64_t size = 1;
  for (const Axis& axis : axes) size *= axis.size;
  return size;
}

int StridedFloats::split(int64_t inner) {
  int64_t behind = 1;
  for (size_t i = axes.size(); i-- > 0;) {
    if (behind == inner) return static_cast<int>(i) + 1;
    const Axis axis = axes[i];
    if (axis.size > inner / behind) {
      const int64_t part = inner / behind;
      if (axis.scaled || inner % behind != 0 || axis.size % part != 0) return -1;
      axes[i] = {.size = axis.size / part, .stride = axis.stride * part};
      axes.insert(axes.begin() + static_cast<ptrdiff_t>(i) + 1, {.size = part, .stride = axis.stride});
      return static_cast<int>(i) + 1;
    }
    behind *= axis.size;
  }
  return behind == inner ? 0 : -1;
}

void StridedFloats::merge() {
  std::erase_if(axes, [](const Axis& axis) { return axis.size == 1 && !axis.scaled; });
  for (size_t i = axes.size(); i-- > 1;) {
    Axis &outer = axes[i - 1], &inner = axes[i];
    if (outer.scaled || inner.scaled || outer.stride != inner.size * inner.stride) continue;
    inner.size *= outer.size;
    axes.erase(axes.begin() + static_cast<ptrdiff_t>(i) - 1);
  }
}

bool StridedFloats::scale_channels(int64_t channels, int64_t inner, std::span<const double> numbers) {
  StridedFloats made = *this;
  const int behind = made.split(inner), before = behind < 0 ? -1 : made.split(inner * channels);
  if (before < 0) return false;
  // The second split may have put an axis in front of the first boundary.
  const int end = made.split(inner);
  const bool scaled = !scale.empty();
  if (channels == 1 && end == before) {
    if (scaled) return false;
    made.axes.insert(made.axes.begin() + before, {.size = 1, .stride = 0});
  } else if (end != before + 1) {
    return false;
  }
  Axis& axis = made.axes[static_cast<size_t>(before)];
  if (scaled && !axis.scaled) return false;
  axis.scaled = true;
  made.scale.resize(static_cast<size_t>(channels), 1.0F);
  for (size_t i = 0; i < made.scale.size(); ++i) {
    made.scale[i] = static_cast<float>(made.scale[i] * numbers[i]);
    if (!std::isfinite(made.scale[i])) return false;
  }
  made.merge();
  *this = std::move(made);
  return true;
}

bool StridedFloats::permute(int64_t inner, std::span<const int64_t> sizes, std::span<const int64_t> order) {
  StridedFloats made = *this;
  std::vector<int64_t> behind(sizes.size() + 1, inner);  // elements behind the begin of each size, and behind them all
  for (size_t i = sizes.size(); i-- > 0;) behind[i] = behind[i + 1] * sizes[i];
  for (const int64_t elements : behind)
    if (made.split(elements) < 0) return false;
  std::vector<int> places;
  for (const int64_t elements : behind) places.push_back(made.split(elements));
  // Sizes of 1 have no axes, but where one is scaled its axis is that size's or a neighbour's: which, nobody can tell.
  if (std::ranges::any_of(made.axes, [](const Axis& axis) { return axis.scaled && axis.size == 1; })) return false;
  std::vector<Axis> turned(made.axes.begin(), made.axes.begin() + places.front());
  for (const int64_t i : order) {
    const auto at = static_cast<size_t>(i);
    if (sizes[at] > 1) turned.insert(turned.end(), made.axes.begin() + places[at], made.axes.begin() + places[at + 1]);
  }
  turned.insert(turned.end(), made.axes.begin() + places.back(), made.axes.end());
  made.axes = std::move(turned);
  made.merge();
  *this = std::move(made);
  return true;
}

bool StridedFloats::as_matrix(int64_t columns, Matrix& matrix) const {
  StridedFloats made = *this;
  const int boundary = made.split(columns);
  if (boundary < 0) return false;
  const std::span<const Axis> all(made.axes);
  const auto rows = all.first(static_cast<size_t>(boundary)), across = all.subspan(static_cast<size_t>(boundary));
  if (rows.size() > 2 || across.size() > 1) return false;
  if (std::ranges::any_of(rows, [](const Axis& axis) { return axis.scaled; })) return false;
  matrix = {.at = reinterpret_cast<const float*>(from),
            .rows = size() / columns,
            .inner_rows = rows.empty() ? 1 : rows.back().size,
            .outer_stride = rows.size() == 2 ? rows.front().stride : 0,
            .row_stride = rows.empty() ? 0 : rows.back().stride,
            .column_stride = across.empty() ? 1 : across.front().stride,
            .scale = scale.empty() ? nullptr : scale.data()};
  return true;
}

bool StridedFloats::as_rows(int64_t rows, const float*& at, const float*& row_scale) const {
  StridedFloats made = *this;
  const int64_t inner = size() / rows;
  if (made.split(inner) < 0) return false;
  int64_t stride = 1;
  for (size_t i = made.axes.size(); i-- > 0;) {
    const Axis& axis = made.axes[i];
    if (axis.size > 1 && axis.stride != stride) return false;
    if (axis.scaled && axis.size != rows) return false;
    if (axis.scaled && axis.size > 1 && stride != inner) return false;
    stride *= axis.size;
  }
  at = reinterpret_cast<const float*>(from);
  row_scale = scale.empty() ? nullptr : scale.data();
  return true;
}

const std::byte* StridedFloats::dense() const {
  const bool in_order = axes.empty() || (axes.size() == 1 && axes[0].stride == 1);
  return in_order && scale.empty() ? from : nullptr;
}

void StridedFloats::write(float* to) const {
  if (axes.empty()) {
    *to = number_at(from, 0);
    return;
  }
  if (dense() != nullptr) {
    std::memcpy(to, from, static_cast<size_t>(axes[0].size) * sizeof(float));
    return;
  }
  const Axis row = axes.size() > 1 ? axes[axes.size() - 2] : Axis{}, column = axes.back();
  const size_t outer = axes.size() > 1 ? axes.size() - 2 : 0;
  std::vector<int64_t> index(outer);
  const int64_t plane = row.size * column.size, planes = size() / plane;
  int64_t offset = 0;
  for (int64_t n = 0; n < planes; ++n, to += plane) {
    float factor = 1;
    for (size_t i = 0; i < outer; ++i)
      if (axes[i].scaled) factor = scale[static_cast<size_t>(index[i])];
    write_plane(from + offset * static_cast<int64_t>(sizeof(float)), row, column, row.scaled ? scale.data() : nullptr,
                column.scaled ? scale.data() : nullptr, factor, to);
    for (size_t i = outer; i-- > 0;) {
      offset += axes[i].stride;
      if (++index[i] < axes[i].size) break;
      offset -= axes[i].stride * axes[i].size;
      index[i] = 0;
    }
  }
}

void StridedFloats::release(const float* first, size_t count) const {
  if (mapped) release_pages({reinterpret_cast<const std::byte*>(first), count * sizeof(float)});
}

}  // namespace hearth
