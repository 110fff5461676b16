// Known elements through operators that move them.
#include <algorithm>
#include <numeric>

#include "graph/infer/slice.h"
#include "graph/infer/table.h"

namespace hearth::graph::infer {

namespace {

int64_t count_of(std::span<const int64_t> dims) {
  Wide count = 1;
  for (const int64_t size : dims) {
    count *= size;
    if (count > kMaxKnownElements) return INT64_MAX;
  }
  return static_cast<int64_t>(count);
}

// The sizes of output i when all are known and few elements follow.
std::optional<std::vector<int64_t>> small_output(const InferContext& c, size_t i = 0) {
  const Type& type = c.output(i);
  if (type.kind != TypeKind::Tensor || !type.shape) return std::nullopt;
  std::vector<int64_t> dims;
  for (const Dimension& size : *type.shape) {
    if (!size.known()) return std::nullopt;
    dims.push_back(size.size);
  }
  return count_of(dims) <= kMaxKnownElements ? std::optional(dims) : std::nullopt;
}

std::vector<int64_t> strides_of(const std::vector<int64_t>& dims) {
  std::vector<int64_t> strides(dims.size(), 1);
  // Beside a size of 0 the others may be huge: such strides are never used, and may wrap.
  for (size_t i = dims.size(); i-- > 1;)
    strides[i - 1] = static_cast<int64_t>(static_cast<uint64_t>(strides[i]) * static_cast<uint64_t>(dims[i]));
  return strides;
}

// Calls visit(place) for every place of a tensor, in order.
template <class Visit>
void for_each_place(const std::vector<int64_t>& dims, Visit&& visit) {
  const int64_t count = count_of(dims);
  std::vector<int64_t> place(dims.size(), 0);
  for (int64_t n = 0; n < count; ++n) {
    visit(place);
    for (size_t i = dims.size(); i-- > 0;) {
      if (++place[i] < dims[i]) break;
      place[i] = 0;
    }
  }
}

void pass_on(InferContext& c) {
  if (const KnownValue* x = c.known(0)) c.set_known(0, *x);
}

// The same elements in another shape.
void reshaped(InferContext& c) {
  const KnownValue* x = c.known(0);
  const auto dims = small_output(c);
  if (x == nullptr || !dims || count_of(*dims) != x->size()) return;
  c.set_known(0, {x->dtype, *dims, x->elements});
}

// out[place] = x[from(place)], where from gives an offset.
template <class From>
void moved(InferContext& c, const KnownValue& x, From&& from, size_t output = 0) {
  const auto dims = small_output(c, output);
  if (!dims) return;
  KnownValue made{x.dtype, *dims, {}};
  bool sound = true;
  for_each_place(*dims, [&](const std::vector<int64_t>& place) {
    const int64_t at = from(place);
    sound = sound && at >= 0 && at < x.size();
    if (sound) made.elements.push_back(x.elements[static_cast<size_t>(at)]);
  });
  if (sound) c.set_known(output, std::move(made));
}

void transpose(InferContext& c) {
  const KnownValue* x = c.known(0);
  if (x == nullptr) return;
  const size_t rank = x->dims.size();
  std::vector<int64_t> perm(rank);
  for (size_t i = 0; i < rank; ++i) perm[i] = static_cast<int64_t>(rank - 1 - i);
  if (const auto given = c.node().ints("perm"); given.size() == rank) perm.assign(given.begin(), given.end());
  const auto strides = strides_of(x->dims);
  moved(c, *x, [&](const std::vector<int64_t>& place) {
    int64_t at = 0;
    for (size_t i = 0; i < rank; ++i)
      at += place[i] * strides[static_cast<size_t>(perm[i] < 0 ? perm[i] + static_cast<int64_t>(rank) : perm[i])];
    return at;
  });
}

void expand(InferContext& c) {
  const KnownValue* x = c.known(0);
  if (x == nullptr) return;
  const auto strides = strides_of(x->dims);
  moved(c, *x, [&](const std::vector<int64_t>& place) {
    int64_t at = 0;
    const size_t lead = place.size() - x->dims.size();
    for (size_t i = 0; i < x->dims.size(); ++i) at += x->dims[i] == 1 ? 0 : place[lead + i] * strides[i];
    return at;
  });
}

void tile(InferContext& c) {
  const KnownValue* x = c.known(0);
  if (x == nullptr || x->size() == 0) return;
  const auto strides = strides_of(x->dims);
  moved(c, *x, [&](const std::vector<int64_t>& place) {
    int64_t at = 0;
    for (size_t i = 0; i < place.size(); ++i) at += place[i] % x->dims[i] * strides[i];
    return at;
  });
}

void slice(InferContext& c) {
  const KnownValue* x = c.known(0);
  if (x == nullptr) return;
  const auto cuts = slice_cuts(c, x->dims.size());
  if (!cuts || !*cuts) return;
  std::vector<int64_t> first(x->dims.size(), 0), step(x->dims.size(), 1);
  for (const SliceCut& cut : **cuts) {
    if (!cut.start || !cut.end || !cut.step || *cut.step == 0) return;
    const SliceRange range = slice_range(*cut.start, *cut.end, *cut.step, x->dims[cut.axis]);
    first[cut.axis] = range.first;
    // Of fewer than two elements the step says nothing, and may be too large to multiply.
    step[cut.axis] = range.count > 1 ? *cut.step : 0;
  }
  const auto strides = strides_of(x->dims);
  moved(c, *x, [&](const std::vector<int64_t>& place) {
    int64_t at = 0;
    for (size_t i = 0; i < place.size(); ++i) at += (first[i] + place[i] * step[i]) * strides[i];
    return at;
  });
}

void split(InferContext& c) {
  const KnownValue* x = c.known(0);
  if (x == nullptr) return;
  const auto axis = c.axis(c.node().int_or("axis", 0), x->dims.size());
  if (!axis) return;
  const auto strides = strides_of(x->dims);
  int64_t begin = 0;
  for (size_t output = 0; output < c.output_count(); ++output) {
    const auto dims = small_output(c, output);
    if (!dims) return;
    moved(
        c, *x,
        [&](const std::vector<int64_t>& place) {
          int64_t at = begin * strides[*axis];
          for (size_t i = 0; i < place.size(); ++i) at += place[i] * strides[i];
          return at;
        },
        output);
    begin += (*dims)[*axis];
  }
}

void concat(InferContext& c) {
  const auto dims = small_output(c);
  if (!dims || dims->empty()) return;
  const auto axis = c.axis(c.node().int_or("axis", 1), dims->size());
  if (!axis) return;
  const auto total = strides_of(*dims);
  KnownValue made{DType::I64, *dims, std::vector<Element>(static_cast<size_t>(count_of(*dims)))};
  int64_t begin = 0;
  for (size_t i = 0; i < c.input_count(); ++i) {
    const KnownValue* part = c.known(i);
    if (part == nullptr) {
      // Its elements are unknown, but those of the others are not.
      const Shape* shape = c.shape(i);
      if (shape == nullptr || shape->size() != dims->size() || !(*shape)[*axis].known()) return;
      begin += (*shape)[*axis].size;
      continue;
    }
    if (part->dims.size() != dims->size()) return;
    made.dtype = part->dtype;
    size_t next = 0;
    bool fits = true;
    for_each_place(part->dims, [&](const std::vector<int64_t>& place) {
      int64_t at = begin * total[*axis];
      for (size_t k = 0; k < place.size(); ++k) at += place[k] * total[k];
      fits = fits && at < made.size();
      if (fits) made.elements[static_cast<size_t>(at)] = part->elements[next++];
    });
    if (!fits) return;
    begin += part->dims[*axis];
  }
  c.set_known(0, std::move(made));
}

void gather(InferContext& c) {
  const KnownValue* x = c.known(0);
  const auto indices = c.integers(1);
  if (x == nullptr || !indices || x->dims.empty()) return;
  const auto axis = c.axis(c.node().int_or("axis", 0), x->dims.size());
  if (!axis) return;
  const auto strides = strides_of(x->dims);
  const size_t index_rank = c.known(1)->dims.size();
  const auto index_strides = strides_of(c.known(1)->dims);
  moved(c, *x, [&](const std::vector<int64_t>& place) -> int64_t {
    int64_t at = 0, which = 0;
    for (size_t i = 0; i < *axis; ++i) at += place[i] * strides[i];
    for (size_t i = 0; i < index_rank; ++i) which += place[*axis + i] * index_strides[i];
    int64_t index = (*indices)[static_cast<size_t>(which)];
    if (index < 0) index += x->dims[*axis];
    if (index < 0 || index >= x->dims[*axis]) return -1;
    at += index * strides[*axis];
    for (size_t i = *axis + 1; i < x->dims.size(); ++i) at += place[index_rank + i - 1] * strides[i];
    return at;
  });
}

void gather_elements(InferContext& c) {
  const KnownValue* x = c.known(0);
  const auto indices = c.integers(1);
  if (x == nullptr || !indices || x->dims.size() != 1) return;
  moved(c, *x, [&](const std::vector<int64_t>& place) -> int64_t {
    const int64_t index = (*indices)[static_cast<size_t>(place[0])];
    return index < 0 ? index + x->size() : index;
  });
}

// Single elements of a vector replaced: how exporters write `shape[i] = n`.
void scatter(InferContext& c) {
  const KnownValue *x = c.known(0), *updates = c.known(2);
  const auto indices = c.integers(1);
  if (x == nullptr || updates == nullptr || !indices || x->dims.size() != 1 ||
      c.node().string_or("reduction", "none") != "none" || updates->elements.size() != indices->size())
    return;
  KnownValue made = *x;
  for (size_t i = 0; i < indices->size(); ++i) {
    const int64_t index = (*indices)[i] < 0 ? (*indices)[i] + x->size() : (*indices)[i];
    if (index < 0 || index >= x->size()) return;
    made.elements[static_cast<size_t>(index)] = updates->elements[i];
  }
  c.set_known(0, std::move(made));
}

void non_zero(InferContext& c) {
  const KnownValue* x = c.known(0);
  const auto values = x != nullptr ? x->numbers() : std::nullopt;
  if (!values || x->dims.size() != 1) return;
  KnownValue made{DType::I64, {1, 0}, {}};
  for (size_t i = 0; i < values->size(); ++i)
    if ((*values)[i] != 0) made.elements.emplace_back(static_cast<int64_t>(i));
  made.dims[1] = made.size();
  c.set_shape(0, {1, made.size()});
  c.set_known(0, std::move(made));
}

constexpr PropagateEntry kTable[] = {
    {"Concat", concat},
    {"Expand", expand},
    {"Flatten", reshaped},
    {"Gather", gather},
    {"GatherElements", gather_elements},
    {"Identity", pass_on},
    {"NonZero", non_zero},
    {"Reshape", reshaped},
    {"ScatterElements", scatter},
    {"ScatterND", scatter},
    {"Slice", slice},
    {"Split", split},
    {"Squeeze", reshaped},
    {"Tile", tile},
    {"Transpose", transpose},
    {"Unsqueeze", reshaped},
};

}  // namespace

std::span<const PropagateEntry> array_propagation() {
  return kTable;
}

}  // namespace hearth::graph::infer
