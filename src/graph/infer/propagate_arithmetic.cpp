// Known elements through arithmetic, comparison and reduction.
#include <algorithm>
#include <cmath>

#include "graph/infer/table.h"
#include "tensor/float16.h"

namespace hearth::graph::infer {

namespace {

// A result as the type holds it; nothing when an integer does not fit.
Element fit(DType dtype, int64_t value) {
  const auto within = [value](int64_t low, int64_t high) {
    return value >= low && value <= high ? Element(value) : Element();
  };
  switch (dtype) {
    case DType::Bool:
      return within(0, 1);
    case DType::I8:
      return within(INT8_MIN, INT8_MAX);
    case DType::I16:
      return within(INT16_MIN, INT16_MAX);
    case DType::I32:
      return within(INT32_MIN, INT32_MAX);
    case DType::I64:
      return value;
    case DType::U8:
      return within(0, UINT8_MAX);
    case DType::U16:
      return within(0, UINT16_MAX);
    case DType::U32:
      return within(0, UINT32_MAX);
    case DType::U64:
      return within(0, INT64_MAX);
    default:
      return {};
  }
}
Element fit(DType dtype, double value) {
  switch (dtype) {
    case DType::F64:
      return value;
    case DType::F32:
      return static_cast<double>(static_cast<float>(value));
    case DType::F16:
      return static_cast<double>(f16_to_f32(f32_to_f16(static_cast<float>(value))));
    case DType::BF16:
      return static_cast<double>(bf16_to_f32(f32_to_bf16(static_cast<float>(value))));
    default:
      return {};
  }
}

bool is_number(const Element& element, double value) {
  if (const auto* integer = std::get_if<int64_t>(&element)) return static_cast<double>(*integer) == value;
  const auto* real = std::get_if<double>(&element);
  return real != nullptr && *real == value;
}

// Both operands broadcast, element by element; `combine` gets the type of the operands.
template <class Combine>
void combine_all(InferContext& c, DType result, Combine&& combine) {
  const KnownValue *a = c.known(0), *b = c.known(1);
  if (a == nullptr || b == nullptr || c.opset() < 7) return;  // before, operands broadcast in another way
  Shape shape_a(a->dims.begin(), a->dims.end()), shape_b(b->dims.begin(), b->dims.end());
  const auto shape = broadcast(shape_a, shape_b);
  if (!shape) return;
  KnownValue made{result, {}, {}};
  int64_t count = 1;
  for (const Dimension& size : *shape) {
    made.dims.push_back(size.size);
    count *= size.size;  // two factors of at most kMaxKnownElements each
    if (count > kMaxKnownElements) return;
  }
  const auto offset_of = [&](const KnownValue& value, int64_t n) {
    int64_t at = 0, stride = 1;
    for (size_t i = made.dims.size(); i-- > 0;) {
      const int64_t place = n % made.dims[i];
      n /= made.dims[i];
      const size_t lead = made.dims.size() - value.dims.size();
      if (i < lead) continue;
      at += value.dims[i - lead] == 1 ? 0 : place * stride;
      stride *= value.dims[i - lead];
    }
    return static_cast<size_t>(at);
  };
  for (int64_t n = 0; n < count; ++n)
    made.elements.push_back(combine(a->elements[offset_of(*a, n)], b->elements[offset_of(*b, n)], a->dtype));
  c.set_known(0, std::move(made));
}

DType operand_type(const InferContext& c) {
  return c.known(0) != nullptr ? c.known(0)->dtype : DType::I64;
}

enum class Op { Add, Sub, Mul, Div, Mod, Min, Max };

template <Op kOp>
Element calculate(const Element& a, const Element& b, DType dtype) {
  // What leaves a size with a name as it is.
  if constexpr (kOp == Op::Add || kOp == Op::Sub) {
    if (is_number(b, 0)) return a;
    if (kOp == Op::Add && is_number(a, 0)) return b;
    if (kOp == Op::Sub && std::holds_alternative<std::string>(a) && a == b)
      return info(dtype).kind == DTypeClass::Float ? Element(0.0) : Element(int64_t{0});
  }
  if constexpr (kOp == Op::Mul || kOp == Op::Div) {
    if (is_number(b, 1)) return a;
    if (kOp == Op::Mul && is_number(a, 1)) return b;
  }
  if constexpr (kOp == Op::Min || kOp == Op::Max) {
    if (a == b) return a;
  }
  const auto *x = std::get_if<int64_t>(&a), *y = std::get_if<int64_t>(&b);
  if (x != nullptr && y != nullptr) {
    int64_t result = 0;
    bool overflow = false;
    switch (kOp) {
      case Op::Add:
        overflow = __builtin_add_overflow(*x, *y, &result);
        break;
      case Op::Sub:
        overflow = __builtin_sub_overflow(*x, *y, &result);
        break;
      case Op::Mul:
        overflow = __builtin_mul_overflow(*x, *y, &result);
        break;
      case Op::Div:
        overflow = *y == 0 || (*x == INT64_MIN && *y == -1);
        if (!overflow) result = *x / *y;
        break;
      case Op::Mod:
        overflow = *y == 0 || *y == -1;
        if (!overflow) result = *x % *y;
        if (!overflow && result != 0 && (result < 0) != (*y < 0)) result += *y;  // the divisor's sign
        break;
      case Op::Min:
        result = std::min(*x, *y);
        break;
      case Op::Max:
        result = std::max(*x, *y);
        break;
    }
    return overflow ? Element() : fit(dtype, result);
  }
  const auto *p = std::get_if<double>(&a), *q = std::get_if<double>(&b);
  if (p == nullptr || q == nullptr) return {};
  switch (kOp) {
    case Op::Add:
      return fit(dtype, *p + *q);
    case Op::Sub:
      return fit(dtype, *p - *q);
    case Op::Mul:
      return fit(dtype, *p * *q);
    case Op::Div:
      return fit(dtype, *p / *q);
    case Op::Mod:
      return {};
    case Op::Min:
      return fit(dtype, std::min(*p, *q));
    case Op::Max:
      return fit(dtype, std::max(*p, *q));
  }
  return {};
}

template <Op kOp>
void binary(InferContext& c) {
  if (kOp == Op::Mod && c.node().int_or("fmod", 0) != 0) return;
  if ((kOp == Op::Min || kOp == Op::Max) && c.input_count() != 2) {
    if (c.input_count() == 1 && c.known(0) != nullptr) c.set_known(0, *c.known(0));
    return;
  }
  combine_all(c, operand_type(c), calculate<kOp>);
}

enum class Order { Equal, Less, LessOrEqual, Greater, GreaterOrEqual };

template <Order kOrder>
Element compare(const Element& a, const Element& b, DType) {
  const auto told = [](const auto& x, const auto& y) -> Element {
    bool holds = false;
    switch (kOrder) {
      case Order::Equal:
        holds = x == y;
        break;
      case Order::Less:
        holds = x < y;
        break;
      case Order::LessOrEqual:
        holds = x <= y;
        break;
      case Order::Greater:
        holds = x > y;
        break;
      case Order::GreaterOrEqual:
        holds = x >= y;
        break;
    }
    return int64_t{holds};
  };
  const auto *x = std::get_if<int64_t>(&a), *y = std::get_if<int64_t>(&b);
  if (x != nullptr && y != nullptr) return told(*x, *y);
  const auto *p = std::get_if<double>(&a), *q = std::get_if<double>(&b);
  if (p != nullptr && q != nullptr) return told(*p, *q);
  // A size is never negative, and equals itself.
  const bool a_size = std::holds_alternative<std::string>(a), b_size = std::holds_alternative<std::string>(b);
  if (a_size && b_size && a == b) return told(0, 0);
  if (a_size && y != nullptr && *y < 0) return told(0, -1);
  if (b_size && x != nullptr && *x < 0) return told(-1, 0);
  return {};
}

template <Order kOrder>
void comparison(InferContext& c) {
  combine_all(c, DType::Bool, compare<kOrder>);
}

template <bool kAnd>
void logic(InferContext& c) {
  combine_all(c, DType::Bool, [](const Element& a, const Element& b, DType) -> Element {
    const auto *x = std::get_if<int64_t>(&a), *y = std::get_if<int64_t>(&b);
    const int64_t decisive = kAnd ? 0 : 1;
    if ((x != nullptr && *x == decisive) || (y != nullptr && *y == decisive)) return decisive;
    return x != nullptr && y != nullptr ? Element(1 - decisive) : Element();
  });
}

template <class Change>
void change_all(InferContext& c, DType dtype, Change&& change) {
  const KnownValue* x = c.known(0);
  if (x == nullptr) return;
  KnownValue made{dtype, x->dims, {}};
  for (const Element& element : x->elements) made.elements.push_back(change(element));
  c.set_known(0, std::move(made));
}

Element cast_element(const Element& element, DType to) {
  if (info(to).kind == DTypeClass::Float) {
    if (const auto* integer = std::get_if<int64_t>(&element)) return fit(to, static_cast<double>(*integer));
    if (const auto* real = std::get_if<double>(&element)) return fit(to, *real);
    return element;  // a size keeps its name
  }
  if (to == DType::Bool) {
    if (const auto* integer = std::get_if<int64_t>(&element)) return int64_t{*integer != 0};
    if (const auto* real = std::get_if<double>(&element)) return int64_t{*real != 0};
    return {};
  }
  if (const auto* integer = std::get_if<int64_t>(&element)) return fit(to, *integer);
  if (const auto* real = std::get_if<double>(&element))
    return std::abs(*real) < 0x1p62 ? fit(to, static_cast<int64_t>(*real)) : Element();
  return element;
}

void cast(InferContext& c) {
  const auto to = c.output(0).dtype;
  if (to && may_be_known(*to)) change_all(c, *to, [&](const Element& element) { return cast_element(element, *to); });
}

template <double (*kFunction)(double)>
void rounding(InferContext& c) {
  change_all(c, operand_type(c), [&](const Element& element) -> Element {
    if (const auto* real = std::get_if<double>(&element)) return kFunction(*real);
    return element;  // a size is whole
  });
}
double round_down(double x) {
  return std::floor(x);
}
double round_up(double x) {
  return std::ceil(x);
}
double round_even(double x) {
  return std::nearbyint(x);
}

template <bool kAbsolute>
void sign_change(InferContext& c) {
  const DType dtype = operand_type(c);
  change_all(c, dtype, [&](const Element& element) -> Element {
    if (const auto* integer = std::get_if<int64_t>(&element)) {
      if (*integer == INT64_MIN) return {};
      return fit(dtype, kAbsolute ? std::abs(*integer) : -*integer);
    }
    if (const auto* real = std::get_if<double>(&element)) return kAbsolute ? std::abs(*real) : -*real;
    return kAbsolute ? element : Element();
  });
}

void square_root(InferContext& c) {
  const DType dtype = operand_type(c);
  change_all(c, dtype, [&](const Element& element) -> Element {
    const auto* real = std::get_if<double>(&element);
    return real != nullptr && *real >= 0 ? fit(dtype, std::sqrt(*real)) : Element();
  });
}

void relu(InferContext& c) {
  change_all(c, operand_type(c), [](const Element& element) -> Element {
    if (const auto* integer = std::get_if<int64_t>(&element)) return std::max<int64_t>(*integer, 0);
    if (const auto* real = std::get_if<double>(&element)) return std::max(*real, 0.0);
    return element;  // no size is negative
  });
}

void logical_not(InferContext& c) {
  change_all(c, DType::Bool, [](const Element& element) -> Element {
    const auto* value = std::get_if<int64_t>(&element);
    return value != nullptr ? Element(int64_t{*value == 0}) : Element();
  });
}

// One shape, or one operand that is a scalar: what shape arithmetic uses Where for.
void where(InferContext& c) {
  const KnownValue *condition = c.known(0), *a = c.known(1), *b = c.known(2);
  if (condition == nullptr || a == nullptr || b == nullptr) return;
  const KnownValue* longest = condition;
  for (const KnownValue* one : {a, b})
    if (one->size() > longest->size() || (one->size() == longest->size() && one->dims.size() > longest->dims.size()))
      longest = one;
  for (const KnownValue* one : {condition, a, b})
    if (one->size() != 1 && one->dims != longest->dims) return;
  KnownValue made{a->dtype, longest->dims, {}};
  const auto at = [](const KnownValue& value, size_t i) -> const Element& {
    return value.elements[value.elements.size() == 1 ? 0 : i];
  };
  for (size_t i = 0; i < longest->elements.size(); ++i) {
    const auto* chosen = std::get_if<int64_t>(&at(*condition, i));
    if (chosen != nullptr)
      made.elements.push_back(*chosen != 0 ? at(*a, i) : at(*b, i));
    else
      made.elements.push_back(at(*a, i) == at(*b, i) ? at(*a, i) : Element());
  }
  c.set_known(0, std::move(made));
}

// All elements of a vector.
template <Op kOp>
void reduce(InferContext& c) {
  const KnownValue* x = c.known(0);
  const Type& type = c.output(0);
  if (x == nullptr || !type.shape || x->dims.size() > 1 ||
      !std::ranges::all_of(*type.shape, [](const Dimension& size) { return size.size == 1; }))
    return;
  const bool integers = !x->is_float();
  if (x->elements.empty() && kOp != Op::Add && kOp != Op::Mul) return;
  const int64_t neutral = kOp == Op::Mul ? 1 : 0;
  Element sum =
      x->elements.empty() ? integers ? Element(neutral) : Element(static_cast<double>(neutral)) : x->elements[0];
  for (size_t i = 1; i < x->elements.size(); ++i) sum = calculate<kOp>(sum, x->elements[i], x->dtype);
  c.set_known(0, {x->dtype, std::vector<int64_t>(type.shape->size(), 1), {std::move(sum)}});
}

constexpr PropagateEntry kTable[] = {
    {"Abs", sign_change<true>},
    {"Add", binary<Op::Add>},
    {"And", logic<true>},
    {"Cast", cast},
    {"CastLike", cast},
    {"Ceil", rounding<round_up>},
    {"Div", binary<Op::Div>},
    {"Equal", comparison<Order::Equal>},
    {"Floor", rounding<round_down>},
    {"Greater", comparison<Order::Greater>},
    {"GreaterOrEqual", comparison<Order::GreaterOrEqual>},
    {"Less", comparison<Order::Less>},
    {"LessOrEqual", comparison<Order::LessOrEqual>},
    {"Max", binary<Op::Max>},
    {"Min", binary<Op::Min>},
    {"Mod", binary<Op::Mod>},
    {"Mul", binary<Op::Mul>},
    {"Neg", sign_change<false>},
    {"Not", logical_not},
    {"Or", logic<false>},
    {"ReduceMax", reduce<Op::Max>},
    {"ReduceMin", reduce<Op::Min>},
    {"ReduceProd", reduce<Op::Mul>},
    {"ReduceSum", reduce<Op::Add>},
    {"Relu", relu},
    {"Round", rounding<round_even>},
    {"Sqrt", square_root},
    {"Sub", binary<Op::Sub>},
    {"Where", where},
};

}  // namespace

std::span<const PropagateEntry> arithmetic_propagation() {
  return kTable;
}

}  // namespace hearth::graph::infer
