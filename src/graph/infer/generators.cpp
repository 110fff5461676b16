// Constants, ranges, random values, and the sizes that signal processing makes.
#include <algorithm>
#include <cmath>

#include "graph/infer/table.h"

namespace hearth::graph::infer {

namespace {

void set_constant(InferContext& c, const Tensor& tensor) {
  c.set_dtype(0, tensor.dtype());
  c.set_shape(0, Shape(tensor.dims().begin(), tensor.dims().end()));
  if (auto known = known_value(tensor)) c.set_known(0, std::move(*known));
}

template <class T>
void set_list(InferContext& c, DType dtype, std::span<const T> values, bool scalar) {
  c.set_dtype(0, dtype);
  const auto count = static_cast<int64_t>(values.size());
  c.set_shape(0, scalar ? Shape() : Shape{count});
  if constexpr (std::is_arithmetic_v<T>) {
    if (count > kMaxKnownElements) return;
    KnownValue known{dtype, scalar ? std::vector<int64_t>() : std::vector<int64_t>{count}, {}};
    for (const T value : values)
      known.elements.emplace_back(static_cast<std::conditional_t<std::is_integral_v<T>, int64_t, double>>(value));
    c.set_known(0, std::move(known));
  }
}

Result<> constant(InferContext& c) {
  const auto is_value = [](const Attribute& one) { return !one.name.starts_with("__"); };
  if (const auto count = std::ranges::count_if(c.node().attributes, is_value); count != 1)
    return c.invalid("attributes; got {}, need one of value, value_int, value_ints …", count);
  std::visit(
      [&](const auto& data) {
        using Held = std::decay_t<decltype(data)>;
        if constexpr (std::is_same_v<Held, Tensor>) {
          set_constant(c, data);
        } else if constexpr (std::is_same_v<Held, SparseTensor>) {
          c.set_dtype(0, data.values.dtype());
          c.set_shape(0, Shape(data.dims.begin(), data.dims.end()));
        } else if constexpr (std::is_same_v<Held, int64_t>) {
          set_list<int64_t>(c, DType::I64, std::span(&data, 1), true);
        } else if constexpr (std::is_same_v<Held, float>) {
          set_list<float>(c, DType::F32, std::span(&data, 1), true);
        } else if constexpr (std::is_same_v<Held, std::string>) {
          set_list<std::string>(c, DType::String, std::span(&data, 1), true);
        } else if constexpr (std::is_same_v<Held, std::vector<int64_t>>) {
          set_list<int64_t>(c, DType::I64, data, false);
        } else if constexpr (std::is_same_v<Held, std::vector<float>>) {
          set_list<float>(c, DType::F32, data, false);
        } else if constexpr (std::is_same_v<Held, std::vector<std::string>>) {
          set_list<std::string>(c, DType::String, data, false);
        }
      },
      std::ranges::find_if(c.node().attributes, is_value)->data);
  return {};
}

Result<> constant_of_shape(InferContext& c) {
  const Tensor* value = c.node().tensor("value");
  if (value != nullptr && value->size() != 1)
    return c.invalid("attribute 'value'; got {} elements, need 1", value->size());
  c.set_dtype(0, value != nullptr ? value->dtype() : DType::F32);
  ASSIGN_OR_RETURN(auto sizes, c.sizes(0));
  if (!sizes) return {};
  const Dimension count = product(*sizes);
  if (count.known() && count.size <= kMaxKnownElements && std::ranges::all_of(*sizes, &Dimension::known)) {
    KnownValue filled{DType::F32, {}, {}};
    for (const Dimension& size : *sizes) filled.dims.push_back(size.size);
    const auto one = value != nullptr ? known_value(*value) : std::nullopt;
    if (one || value == nullptr) {
      if (one) filled.dtype = one->dtype;
      filled.elements.assign(static_cast<size_t>(count.size), one ? one->elements[0] : Element(0.0));
      c.set_known(0, std::move(filled));
    }
  }
  c.set_shape(0, std::move(*sizes));
  return {};
}

Result<> range(InferContext& c) {
  c.set_shape(0, {Dimension()});
  const KnownValue *start = c.known(0), *limit = c.known(1), *delta = c.known(2);
  for (const KnownValue* one : {start, limit, delta})
    if (one == nullptr || one->size() != 1) return {};
  const int64_t *first = start->integer(0), *last = limit->integer(0), *step = delta->integer(0);
  if (first != nullptr && step != nullptr && last == nullptr) {
    // Counting from 0 to the size that has a name makes as many.
    if (*first == 0 && *step == 1) c.set_shape(0, {size_of(limit->elements[0])});
    return {};
  }
  if (first != nullptr && last != nullptr && step != nullptr) {
    if (*step == 0) return c.invalid("delta; got 0");
    const Wide way = static_cast<Wide>(*last) - *first, by = *step;
    const Wide count = way == 0 || (way > 0) != (by > 0) ? 0 : (way + by + (by > 0 ? -1 : 1)) / by;
    if (count > INT64_MAX) return {};
    c.set_shape(0, {static_cast<int64_t>(count)});
    if (count > kMaxKnownElements) return {};
    KnownValue made{start->dtype, {static_cast<int64_t>(count)}, {}};
    for (int64_t i = 0; i < static_cast<int64_t>(count); ++i)
      made.elements.emplace_back(static_cast<int64_t>(*first + i * by));
    c.set_known(0, std::move(made));
    return {};
  }
  const auto a = start->numbers(), b = limit->numbers(), d = delta->numbers();
  if (!a || !b || !d) return {};
  if ((*d)[0] == 0) return c.invalid("delta; got 0");
  const double count = std::max(0.0, std::ceil(((*b)[0] - (*a)[0]) / (*d)[0]));
  if (count < 0x1p53) c.set_shape(0, {static_cast<int64_t>(count)});
  return {};
}

// Random values of the shape in an attribute.
Result<> random(InferContext& c) {
  Shape shape;
  for (const int64_t size : c.node().ints("shape")) {
    if (size < 0) return c.invalid("attribute 'shape'; got {}, need at least 0", size);
    shape.emplace_back(size);
  }
  c.set_shape(0, std::move(shape));
  ASSIGN_OR_RETURN(const auto dtype, c.dtype_attribute("dtype"));
  c.set_dtype(0, dtype.value_or(DType::F32));
  return {};
}

Result<> multinomial(InferContext& c) {
  TRY(c.need_rank(0, 2));
  ASSIGN_OR_RETURN(const auto dtype, c.dtype_attribute("dtype"));
  c.set_dtype(0, dtype.value_or(DType::I32));
  const Shape* shape = c.shape(0);
  c.set_shape(0, {shape != nullptr ? (*shape)[0] : Dimension(), size_of(c.node().int_or("sample_size", 1))});
  return {};
}

Result<Dimension> known_size(const InferContext& c, size_t i) {
  const KnownValue* known = c.known(i);
  if (known == nullptr || known->size() != 1) return Dimension();
  if (const auto* value = known->integer(0); value != nullptr && *value < 0)
    return c.invalid("input {}; got {}, need at least 0", c.describe(i), *value);
  return size_of(known->elements[0]);
}

Dimension half_and_one(const Dimension& length) {
  return length.known() ? Dimension(length.size / 2 + 1) : Dimension();
}

Result<> signal_window(InferContext& c) {
  ASSIGN_OR_RETURN(const auto dtype, c.dtype_attribute("output_datatype"));
  c.set_dtype(0, dtype.value_or(DType::F32));
  ASSIGN_OR_RETURN(Dimension size, known_size(c, 0));
  c.set_shape(0, {std::move(size)});
  return {};
}

Result<> mel_weight_matrix(InferContext& c) {
  ASSIGN_OR_RETURN(const auto dtype, c.dtype_attribute("output_datatype"));
  c.set_dtype(0, dtype.value_or(DType::F32));
  ASSIGN_OR_RETURN(Dimension bins, known_size(c, 0));
  ASSIGN_OR_RETURN(const Dimension length, known_size(c, 1));
  c.set_shape(0, {half_and_one(length), std::move(bins)});
  return {};
}

Result<> dft(InferContext& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return {};
  if (x->size() < 2) return c.invalid("dimensions of input {}; need at least 2", c.describe(0));
  const bool inverse = c.node().int_or("inverse", 0) != 0, one_sided = c.node().int_or("onesided", 0) != 0;
  std::optional<int64_t> axis = c.opset() < 20 ? c.node().int_or("axis", 1) : -2;
  if (c.opset() >= 20 && c.has(2)) axis = c.integer(2);
  Shape result = *x;
  result.back() = inverse && one_sided ? 1 : 2;
  if (!axis) {
    for (size_t i = 0; i + 1 < result.size(); ++i) result[i] = Dimension();
    c.set_shape(0, std::move(result));
    return {};
  }
  ASSIGN_OR_RETURN(const size_t place, c.axis(*axis, x->size()));
  if (place + 1 == x->size()) return c.invalid("axis; got {}, which holds real and imaginary parts", *axis);
  Dimension length = (*x)[place];
  if (c.has(1)) {
    ASSIGN_OR_RETURN(length, known_size(c, 1));
  } else if (inverse && one_sided) {
    length = times(plus(length, -1), 2);
  }
  result[place] = one_sided && !inverse ? half_and_one(length) : length;
  c.set_shape(0, std::move(result));
  return {};
}

Result<> stft(InferContext& c) {
  const Shape *signal = c.shape(0), *window = c.shape(2);
  if (signal != nullptr && signal->size() != 2 && signal->size() != 3)
    return c.invalid("dimensions of input {}; need 2 or 3", c.describe(0));
  Dimension length;
  if (c.has(3)) {
    ASSIGN_OR_RETURN(length, known_size(c, 3));
  } else if (window != nullptr && window->size() == 1) {
    length = (*window)[0];
  }
  ASSIGN_OR_RETURN(const Dimension step, known_size(c, 1));
  if (step.size == 0) return c.invalid("frame step; got 0");
  const Dimension samples = signal != nullptr ? (*signal)[1] : Dimension();
  Dimension frames;
  if (samples.known() && length.known() && step.known()) {
    if (samples.size < length.size) return c.invalid("frames of {} in {}", length.size, c.describe(0));
    frames = (samples.size - length.size) / step.size + 1;
  }
  const bool one_sided = c.node().int_or("onesided", 1) != 0;
  c.set_shape(0,
              {signal != nullptr ? (*signal)[0] : Dimension(), frames, one_sided ? half_and_one(length) : length, 2});
  return {};
}

constexpr InferEntry kTable[] = {
    {"BlackmanWindow", signal_window},
    {"Constant", constant},
    {"ConstantOfShape", constant_of_shape},
    {"DFT", dft},
    {"HammingWindow", signal_window},
    {"HannWindow", signal_window},
    {"MelWeightMatrix", mel_weight_matrix},
    {"Multinomial", multinomial},
    {"RandomNormal", random},
    {"RandomUniform", random},
    {"Range", range},
    {"STFT", stft},
};

}  // namespace

std::span<const InferEntry> generator_inference() {
  return kTable;
}

}  // namespace hearth::graph::infer
