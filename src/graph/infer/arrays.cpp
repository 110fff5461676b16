#include <algorithm>
#include <cstdlib>

#include "graph/infer/slice.h"
#include "graph/infer/table.h"

namespace hearth::graph::infer {

namespace {

KnownValue integers_of(std::vector<int64_t> dims, std::vector<Element> elements) {
  return {DType::I64, std::move(dims), std::move(elements)};
}

Result<> shape_of(InferContext& c) {
  const Shape* shape = c.shape(0);
  if (shape == nullptr) {
    c.set_shape(0, {Dimension()});
    return {};
  }
  const auto rank = static_cast<int64_t>(shape->size());
  const auto place = [&](std::string_view name, int64_t otherwise) {
    const int64_t given = c.node().int_or(name, otherwise);
    return std::clamp<int64_t>(given < 0 ? given + rank : given, 0, rank);
  };
  const int64_t start = place("start", 0), end = std::max(place("end", rank), start);
  std::vector<Element> elements;
  for (int64_t i = start; i < end; ++i) elements.push_back(element_of((*shape)[static_cast<size_t>(i)]));
  c.set_shape(0, {end - start});
  c.set_known(0, integers_of({end - start}, std::move(elements)));
  return {};
}

Result<> size_of_all(InferContext& c) {
  c.set_shape(0, {});
  if (const Shape* shape = c.shape(0)) c.set_known(0, integers_of({}, {element_of(product(*shape))}));
  return {};
}

// The shape that a Reshape asks for: the attribute of its first version, or the second input; nullopt when not even
// the number of dimensions is known. Unknown elements are std::monostate.
std::optional<std::vector<Element>> wanted_shape(const InferContext& c) {
  if (c.opset() < 5) {
    const auto given = c.node().ints("shape");
    return std::vector<Element>(given.begin(), given.end());
  }
  if (const KnownValue* known = c.known(1); known != nullptr && known->dims.size() == 1) return known->elements;
  const Shape* own = c.shape(1);
  if (own == nullptr || own->size() != 1 || !(*own)[0].known() || (*own)[0].size > kMaxKnownElements)
    return std::nullopt;
  return std::vector<Element>(static_cast<size_t>((*own)[0].size));
}

std::string text_of(const std::vector<Element>& shape) {
  std::string text;
  for (const Element& element : shape) {
    if (!text.empty()) text += ',';
    const auto* size = std::get_if<int64_t>(&element);
    const auto* symbol = std::get_if<std::string>(&element);
    text += size != nullptr ? fmt::format("{}", *size) : symbol != nullptr ? *symbol : "?";
  }
  return "[" + text + "]";
}

Result<> reshape(InferContext& c) {
  const auto wanted = wanted_shape(c);
  if (!wanted) return {};
  const Shape* input = c.shape(0);
  const bool keep_zeros = c.node().int_or("allowzero", 0) != 0;
  Shape result;
  std::optional<size_t> open;
  bool all_told = true;  // every size but the open one
  for (size_t i = 0; i < wanted->size(); ++i) {
    const auto* size = std::get_if<int64_t>(&(*wanted)[i]);
    if (size == nullptr) {
      result.push_back(size_of((*wanted)[i]));
      all_told = all_told && !result.back().symbol.empty();
    } else if (*size == -1) {
      if (open) return c.invalid("shape {}; need at most one -1", text_of(*wanted));
      open = i;
      result.emplace_back();
    } else if (*size < -1) {
      return c.invalid("shape {}; need sizes of at least -1", text_of(*wanted));
    } else if (*size == 0 && !keep_zeros) {
      if (input == nullptr) {
        result.emplace_back();
        all_told = false;
      } else if (i < input->size()) {
        result.push_back((*input)[i]);
      } else {
        return c.invalid("shape {}; its element {} copies a size that {} does not have", text_of(*wanted), i,
                         c.describe(0));
      }
    } else {
      result.emplace_back(*size);
    }
  }
  if (input != nullptr && all_told) {
    // Sizes copied by 0 cancel even when nothing is known of them.
    Shape whole, parts;
    for (size_t i = 0; i < input->size(); ++i) {
      const auto* size = i < wanted->size() ? std::get_if<int64_t>(&(*wanted)[i]) : nullptr;
      const bool copied = size != nullptr && *size == 0 && !keep_zeros;
      if (!copied || (*input)[i].size == 0) whole.push_back((*input)[i]);
    }
    for (size_t i = 0; i < result.size(); ++i) {
      const auto* size = std::get_if<int64_t>(&(*wanted)[i]);
      const bool copied = size != nullptr && *size == 0 && !keep_zeros;
      if (i != open && (!copied || result[i].size == 0)) parts.push_back(result[i]);
    }
    const Dimension total = product(whole), told = product(parts);
    const auto mismatch = [&] { return c.invalid("{} does not fit shape {}", c.describe(0), text_of(*wanted)); };
    if (open) {
      if (total.known() && told.size == 0) {
        if (total.size != 0) return mismatch();
      } else {
        auto size = quotient(whole, parts);
        if (!size) return mismatch();
        result[*open] = std::move(*size);
      }
    } else if (total.known() && told.known() && total.size != told.size) {
      return mismatch();
    }
  }
  c.set_shape(0, std::move(result));
  return {};
}

Result<> flatten(InferContext& c) {
  const Shape* shape = c.shape(0);
  if (shape == nullptr) {
    c.set_shape(0, unknown_shape(2));
    return {};
  }
  const auto rank = static_cast<int64_t>(shape->size());
  int64_t axis = c.node().int_or("axis", 1);
  if (axis < -rank || axis > rank)
    return c.invalid("axis; got {}, need {}..{} for {}", axis, -rank, rank, c.describe(0));
  if (axis < 0) axis += rank;
  const std::span<const Dimension> all(*shape);
  c.set_shape(0, {product(all.first(static_cast<size_t>(axis))), product(all.subspan(static_cast<size_t>(axis)))});
  return {};
}

// Axes were an attribute until opset 12 and are the second input since. nullopt: not known; empty when absent.
std::optional<std::vector<int64_t>> axes_of(const InferContext& c) {
  if (c.opset() < 13) {
    const auto given = c.node().ints("axes");
    return std::vector<int64_t>(given.begin(), given.end());
  }
  if (!c.has(1)) return std::vector<int64_t>();
  return c.integers(1);
}

Result<> squeeze(InferContext& c) {
  const Shape* shape = c.shape(0);
  if (shape == nullptr) return {};
  const bool given = c.opset() < 13 ? c.node().has("axes") : c.has(1);
  Shape result;
  if (!given) {
    // Which sizes are 1 must be known for all of them.
    for (const Dimension& size : *shape) {
      if (!size.known()) return {};
      if (size.size != 1) result.push_back(size);
    }
    c.set_shape(0, std::move(result));
    return {};
  }
  const auto axes = axes_of(c);
  if (!axes) return {};
  ASSIGN_OR_RETURN(const auto places, c.axes(*axes, shape->size()));
  for (size_t i = 0; i < shape->size(); ++i) {
    if (std::ranges::find(places, i) == places.end())
      result.push_back((*shape)[i]);
    else if ((*shape)[i].known() && (*shape)[i].size != 1)
      return c.invalid("size of axis {} of {}; need 1", i, c.describe(0));
  }
  c.set_shape(0, std::move(result));
  return {};
}

Result<> unsqueeze(InferContext& c) {
  const Shape* shape = c.shape(0);
  const auto axes = axes_of(c);
  if (shape == nullptr || !axes) return {};
  const size_t rank = shape->size() + axes->size();
  ASSIGN_OR_RETURN(const auto places, c.axes(*axes, rank));
  Shape result;
  auto next = shape->begin();
  for (size_t i = 0; i < rank; ++i) {
    const bool added = std::ranges::find(places, i) != places.end();
    result.push_back(added ? Dimension(1) : *next++);
  }
  c.set_shape(0, std::move(result));
  return {};
}

Result<> transpose(InferContext& c) {
  const Shape* shape = c.shape(0);
  if (shape == nullptr) return {};
  Shape result(shape->rbegin(), shape->rend());
  if (c.node().has("perm")) {
    const auto perm = c.node().ints("perm");
    if (perm.size() != shape->size())
      return c.invalid("attribute 'perm'; got {} axes for {}", perm.size(), c.describe(0));
    ASSIGN_OR_RETURN(const auto places, c.axes(perm, shape->size()));
    for (size_t i = 0; i < places.size(); ++i) result[i] = (*shape)[places[i]];
  }
  c.set_shape(0, std::move(result));
  return {};
}

Result<> expand(InferContext& c) {
  const Shape* shape = c.shape(0);
  ASSIGN_OR_RETURN(const auto wanted, c.sizes(1));
  if (shape == nullptr || !wanted) return {};
  auto both = broadcast(*shape, *wanted);
  if (!both) return c.invalid("sizes do not broadcast; got {} and shape {}", c.describe(0), to_string(*wanted));
  c.set_shape(0, std::move(*both));
  return {};
}

Result<> tile(InferContext& c) {
  const Shape* shape = c.shape(0);
  if (shape == nullptr) return {};
  Shape result = unknown_shape(shape->size());
  if (c.opset() >= 6) {
    ASSIGN_OR_RETURN(const auto repeats, c.sizes(1));
    if (repeats && repeats->size() != shape->size())
      return c.invalid("repeats; got {} for {}", repeats->size(), c.describe(0));
    if (repeats)
      for (size_t i = 0; i < result.size(); ++i) result[i] = times((*shape)[i], (*repeats)[i]);
  } else if (const auto axis = c.integer(2), tiles = c.integer(1); axis && tiles) {
    ASSIGN_OR_RETURN(const size_t place, c.axis(*axis, shape->size()));
    result = *shape;
    result[place] = *tiles >= 0 ? times(result[place], *tiles) : Dimension();
  }
  c.set_shape(0, std::move(result));
  return {};
}

Result<> concat(InferContext& c) {
  std::optional<Shape> result;
  size_t axis = 0;
  bool complete = true;
  Dimension total = 0;
  for (size_t i = 0; i < c.input_count(); ++i) {
    const Shape* shape = c.shape(i);
    if (shape == nullptr) {
      complete = false;
      continue;
    }
    if (!result) {
      result = *shape;
      ASSIGN_OR_RETURN(axis, c.axis(c.node().int_or("axis", 1), shape->size()));
    }
    if (shape->size() != result->size()) return c.invalid("dimensions of inputs differ; got {}", c.describe_inputs());
    total = i == 0 ? (*shape)[axis] : plus(total, (*shape)[axis]);
    for (size_t k = 0; k < shape->size(); ++k) {
      if (k == axis) continue;
      auto size = same_size((*result)[k], (*shape)[k]);
      if (!size) return c.invalid("sizes beside axis {} differ; got {}", axis, c.describe_inputs());
      (*result)[k] = std::move(*size);
    }
  }
  if (!result) return {};
  (*result)[axis] = complete ? total : Dimension();
  c.set_shape(0, std::move(*result));
  return {};
}

// Sizes of the parts: an attribute until opset 12, an input in 1 and since 13. nullopt: not given, or not known.
Result<std::optional<Shape>> parts_of(const InferContext& c) {
  if (c.has(1)) return c.sizes(1);
  if (!c.node().has("split")) return std::nullopt;
  Shape parts;
  for (const int64_t part : c.node().ints("split")) {
    if (part < 0) return c.invalid("attribute 'split'; got {}, need at least 0", part);
    parts.emplace_back(part);
  }
  return parts;
}

Result<> split(InferContext& c) {
  const Shape* shape = c.shape(0);
  const size_t count = c.output_count();
  const bool by_count = c.opset() >= 18 && !c.has(1);
  if (by_count && c.node().int_or("num_outputs", static_cast<int64_t>(count)) != static_cast<int64_t>(count))
    return c.invalid("attribute 'num_outputs'; got {}, need {}", c.node().int_or("num_outputs", 0), count);
  if (shape == nullptr) return {};
  ASSIGN_OR_RETURN(const size_t axis, c.axis(c.node().int_or("axis", 0), shape->size()));
  ASSIGN_OR_RETURN(const auto parts, parts_of(c));
  const Dimension& whole = (*shape)[axis];
  if (parts && parts->size() != count) return c.invalid("parts; got {} sizes for {} outputs", parts->size(), count);
  if (parts && whole.known()) {
    Dimension sum = 0;
    for (const Dimension& part : *parts) sum = plus(sum, part);
    if (sum.known() && sum.size != whole.size)
      return c.invalid("sum of the parts; got {}, need {} of {}", sum.size, whole.size, c.describe(0));
  }
  const auto n = static_cast<int64_t>(count);
  const bool equal = !parts && !c.has(1) && whole.known();
  if (equal && !by_count && whole.size % n != 0)
    return c.invalid("axis {} of {} does not split into {} equal parts", axis, c.describe(0), n);
  for (size_t i = 0; i < count; ++i) {
    Shape part = *shape;
    const auto before = static_cast<int64_t>(i);
    // Equal parts but for the last one, which is what is left.
    const int64_t step = equal ? (whole.size + n - 1) / n : 0;
    part[axis] = parts                 ? (*parts)[i]
                 : equal               ? Dimension(std::clamp<int64_t>(whole.size - before * step, 0, step))
                 : n == 1 && !c.has(1) ? whole
                                       : Dimension();
    c.set_shape(i, std::move(part));
  }
  return {};
}

Result<> slice(InferContext& c) {
  const Shape* shape = c.shape(0);
  if (shape == nullptr) return {};
  ASSIGN_OR_RETURN(const auto cuts, slice_cuts(c, shape->size()));
  if (!cuts) {
    c.set_shape(0, unknown_shape(shape->size()));
    return {};
  }
  Shape result = *shape;
  for (const SliceCut& cut : *cuts) {
    if (cut.step == 0) return c.invalid("step of axis {}; got 0", cut.axis);
    result[cut.axis] = cut_size(cut, (*shape)[cut.axis]);
    if (cut.is_clipped_symbol() && (*shape)[cut.axis].size > 0) c.note_clipped(cut.axis, cut.end_symbol);
  }
  c.set_shape(0, std::move(result));
  return {};
}

Result<> pad(InferContext& c) {
  const Shape* shape = c.shape(0);
  if (shape == nullptr) return {};
  std::optional<std::vector<int64_t>> pads;
  if (c.opset() < 11) {
    const auto given = c.node().ints(c.opset() < 2 ? "paddings" : "pads");
    pads.emplace(given.begin(), given.end());
  } else {
    pads = c.integers(1);
  }
  std::vector<size_t> axes;
  if (c.has(3)) {
    const auto given = c.integers(3);
    if (!given) {
      c.set_shape(0, unknown_shape(shape->size()));
      return {};
    }
    ASSIGN_OR_RETURN(axes, c.axes(*given, shape->size()));
  } else {
    for (size_t i = 0; i < shape->size(); ++i) axes.push_back(i);
  }
  Shape result = *shape;
  if (pads && pads->size() != 2 * axes.size())
    return c.invalid("pads; got {}, need {} for {}", pads->size(), 2 * axes.size(), c.describe(0));
  for (size_t i = 0; i < axes.size(); ++i) {
    Dimension& size = result[axes[i]];
    if (!pads) {
      size = Dimension();
      continue;
    }
    const int64_t begin = (*pads)[i], end = (*pads)[axes.size() + i];
    int64_t both = 0, sum = 0;
    if (__builtin_add_overflow(begin, end, &both))
      return c.invalid("pads of axis {}; got {} and {}", axes[i], begin, end);
    if (size.known() && (__builtin_add_overflow(size.size, both, &sum) || sum < 0))
      return c.invalid("pads of axis {}; got {} and {} for {}", axes[i], begin, end, c.describe(0));
    // Cutting at one end what is added at the other keeps a size that only has a name.
    size = both == 0 ? size : plus(size, both);
  }
  c.set_shape(0, std::move(result));
  return {};
}

// Depth and space trade places in blocks of b × b.
template <bool kToSpace>
Result<> depth_and_space(InferContext& c) {
  TRY(c.need_rank(0, 4));
  const Shape* shape = c.shape(0);
  const int64_t block = c.node().int_or("blocksize", 0);
  if (block < 1 || block > (1 << 20)) return c.invalid("attribute 'blocksize'; got {}, need at least 1", block);
  if (shape == nullptr) return {};
  const auto shrunk = [&](const Dimension& size, int64_t by) -> Result<Dimension> {
    if (!size.known()) return by == 1 ? size : Dimension();
    if (size.size % by != 0) return c.invalid("size {} of {}; need a multiple of {}", size.size, c.describe(0), by);
    return Dimension(size.size / by);
  };
  Shape result = *shape;
  ASSIGN_OR_RETURN(
      result[1], kToSpace ? shrunk((*shape)[1], block * block) : Result<Dimension>(times((*shape)[1], block * block)));
  for (const size_t i : {size_t{2}, size_t{3}}) {
    ASSIGN_OR_RETURN(result[i], kToSpace ? Result<Dimension>(times((*shape)[i], block)) : shrunk((*shape)[i], block));
  }
  c.set_shape(0, std::move(result));
  return {};
}

Result<> center_crop_pad(InferContext& c) {
  const Shape* shape = c.shape(0);
  if (shape == nullptr) return {};
  ASSIGN_OR_RETURN(const auto wanted, c.sizes(1));
  std::vector<size_t> axes;
  if (c.node().has("axes")) {
    ASSIGN_OR_RETURN(axes, c.axes(c.node().ints("axes"), shape->size()));
  } else {
    for (size_t i = 0; i < shape->size(); ++i) axes.push_back(i);
  }
  if (wanted && wanted->size() != axes.size())
    return c.invalid("shape; got {} sizes, need {}", wanted->size(), axes.size());
  Shape result = *shape;
  for (size_t i = 0; i < axes.size(); ++i) result[axes[i]] = wanted ? (*wanted)[i] : Dimension();
  c.set_shape(0, std::move(result));
  return {};
}

constexpr InferEntry kTable[] = {
    {"CenterCropPad", center_crop_pad},
    {"Concat", concat},
    {"DepthToSpace", depth_and_space<true>},
    {"Expand", expand},
    {"Flatten", flatten},
    {"Pad", pad},
    {"Reshape", reshape},
    {"Shape", shape_of},
    {"Size", size_of_all},
    {"Slice", slice},
    {"SpaceToDepth", depth_and_space<false>},
    {"Split", split},
    {"Squeeze", squeeze},
    {"Tile", tile},
    {"Transpose", transpose},
    {"Unsqueeze", unsqueeze},
};

}  // namespace

std::span<const InferEntry> array_inference() {
  return kTable;
}

}  // namespace hearth::graph::infer
