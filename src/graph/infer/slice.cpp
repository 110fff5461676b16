#include "graph/infer/slice.h"

#include <algorithm>

namespace hearth::graph::infer {

namespace {

// The elements of input i, each known or not; nullopt when not even their number is known.
std::optional<std::vector<std::optional<int64_t>>> elements_of(const InferContext& c, size_t i) {
  std::vector<std::optional<int64_t>> made;
  if (const KnownValue* known = c.known(i); known != nullptr && known->dims.size() == 1) {
    for (size_t k = 0; k < known->elements.size(); ++k) {
      const int64_t* value = known->integer(k);
      made.push_back(value != nullptr ? std::optional(*value) : std::nullopt);
    }
    return made;
  }
  const Shape* own = c.shape(i);
  if (own == nullptr || own->size() != 1 || !(*own)[0].known() || (*own)[0].size > kMaxKnownElements)
    return std::nullopt;
  made.resize(static_cast<size_t>((*own)[0].size));
  return made;
}

}  // namespace

Result<std::optional<std::vector<SliceCut>>> slice_cuts(const InferContext& c, size_t rank) {
  const bool attributes = c.opset() < 10;
  const auto list = [&](size_t input, std::string_view name) -> std::optional<std::vector<std::optional<int64_t>>> {
    if (!attributes) return elements_of(c, input);
    const auto given = c.node().ints(name);
    return std::vector<std::optional<int64_t>>(given.begin(), given.end());
  };
  const auto starts = list(1, "starts"), ends = list(2, "ends");
  if (!starts || !ends) return std::nullopt;
  if (starts->size() != ends->size()) return c.invalid("starts and ends; got {} and {}", starts->size(), ends->size());
  std::vector<size_t> axes;
  if (attributes ? c.node().has("axes") : c.has(3)) {
    const auto given =
        attributes ? std::vector<int64_t>(c.node().ints("axes").begin(), c.node().ints("axes").end()) : c.integers(3);
    if (!given) return std::nullopt;
    ASSIGN_OR_RETURN(axes, c.axes(*given, rank));
  } else {
    for (size_t i = 0; i < starts->size(); ++i) axes.push_back(i);
  }
  if (axes.size() != starts->size() || axes.size() > rank)
    return c.invalid("starts; got {}, need one for each of {} axes", starts->size(), std::min(axes.size(), rank));
  std::vector<std::optional<int64_t>> steps(axes.size(), int64_t{1});
  if (!attributes && c.has(4)) {
    const auto given = elements_of(c, 4);
    if (!given) {
      std::ranges::fill(steps, std::nullopt);
    } else {
      if (given->size() != axes.size()) return c.invalid("steps; got {}, need {}", given->size(), axes.size());
      steps = *given;
    }
  }
  std::vector<SliceCut> cuts;
  const KnownValue* end_values = attributes ? nullptr : c.known(2);
  for (size_t i = 0; i < axes.size(); ++i) {
    SliceCut& cut = cuts.emplace_back(SliceCut{axes[i], (*starts)[i], (*ends)[i], steps[i], {}});
    if (end_values != nullptr && end_values->elements.size() == axes.size())
      if (const auto* symbol = std::get_if<std::string>(&end_values->elements[i])) cut.end_symbol = *symbol;
  }
  return cuts;
}

SliceRange slice_range(int64_t start, int64_t end, int64_t step, int64_t size) {
  if (size == 0) return {};
  const auto place = [size](int64_t at, int64_t low, int64_t high) {
    return std::clamp(at < 0 ? at + size : at, low, high);
  };
  // 128 bits: a step may be as small as INT64_MIN.
  const Wide by = step;
  if (step > 0) {
    const int64_t first = place(start, 0, size), last = place(end, 0, size);
    return {first, first < last ? static_cast<int64_t>((last - first + by - 1) / by) : 0};
  }
  const int64_t first = place(start, 0, size - 1), last = place(end, -1, size - 1);
  return {first, first > last ? static_cast<int64_t>((first - last - by - 1) / -by) : 0};
}

Dimension cut_size(const SliceCut& cut, const Dimension& size) {
  if (cut.is_clipped_symbol() && size.symbol == cut.end_symbol) return size;
  if (!cut.start || !cut.end || !cut.step) return {};
  if (size.known()) return slice_range(*cut.start, *cut.end, *cut.step, size.size).count;
  // The whole of a size that nobody knows keeps its name; nothing can be as long as 2^31 - 1.
  const bool to_the_end = *cut.end >= INT32_MAX;
  if (*cut.step == 1 && *cut.start == 0 && to_the_end) return size;
  if (*cut.step == -1 && *cut.start == -1 && *cut.end <= INT32_MIN) return size;
  return {};
}

}  // namespace hearth::graph::infer
