#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <utility>

#include "ops/op.h"

namespace hearth::ops {
namespace {

// The tables of ops.inc. An op without attributes still needs an array of one, hence the sentinel that the span leaves
// out.
#define IN(name, types, dims) TensorInfo{#name, types, dims, false, false},
#define OPT(name, types, dims) TensorInfo{#name, types, dims, true, false},
#define OUT(name, types, dims) TensorInfo{#name, types, dims, false, false},
#define INOUT(name, types, dims) TensorInfo{#name, types, dims, false, true},
#define ATTR(...)
#define CHOICE(...)
#define HEARTH_OP(Name, name, doc, inputs, outputs, ...) \
  constexpr TensorInfo k##Name##Inputs[] = {inputs};     \
  constexpr TensorInfo k##Name##Outputs[] = {outputs};
#include "ops/ops.inc"
#undef HEARTH_OP
#undef CHOICE
#undef ATTR
#undef INOUT
#undef OUT
#undef OPT
#undef IN

template <class T>
constexpr bool is_float_attribute = std::is_same_v<T, float>;

#define IN(...)
#define OPT(...)
#define OUT(...)
#define INOUT(...)
#define ATTR(type, name, value) \
  AttributeInfo{#name, is_float_attribute<type>, offsetof(Attributes, name), static_cast<double>(value), {}},
#define CHOICE(name, choices) AttributeInfo{#name, false, offsetof(Attributes, name), 0.0, choices},
#define HEARTH_OP(Name, name, doc, inputs, outputs, attributes, ...)                            \
  struct Name##AttributeTable {                                                                 \
    using Attributes = Name##Attributes;                                                        \
    static constexpr AttributeInfo kRows[] = {attributes AttributeInfo{"", false, 0, 0.0, {}}}; \
  };
#include "ops/ops.inc"
#undef HEARTH_OP
#undef CHOICE
#undef ATTR
#undef INOUT
#undef OUT
#undef OPT
#undef IN

constexpr OpInfo kInventory[] = {
#define HEARTH_OP(Name, name, doc, inputs, outputs, attributes, tolerance_f32, tolerance_bf16)     \
  OpInfo{Op::Name,                                                                                 \
         #name,                                                                                    \
         doc,                                                                                      \
         k##Name##Inputs,                                                                          \
         k##Name##Outputs,                                                                         \
         std::span(Name##AttributeTable::kRows).first(std::size(Name##AttributeTable::kRows) - 1), \
         sizeof(Name##Attributes),                                                                 \
         tolerance_f32,                                                                            \
         tolerance_bf16},
#include "ops/ops.inc"
#undef HEARTH_OP
};

// A dimension is a symbol bound over one call: `n`, twice it (`n2`), one more (`s1`), one that may be left out (`h?`),
// or one that may be 1 instead (`n|1`).
struct Dimension {
  char symbol;
  int64_t factor, plus;
  bool optional, or_one;
};
struct Dimensions {
  Dimension list[4];
  int rank, strided;
};
constexpr Dimensions parse(std::string_view text) {
  Dimensions d{};
  d.strided = strided_dims(text);
  for (size_t i = text.starts_with(", ") ? 2 : 0; i < text.size();) {
    Dimension one{text[i], 1, 0, false, false};
    ++i;
    if (i < text.size() && text[i] == '2') one.factor = 2, ++i;
    if (i < text.size() && text[i] == '1') one.plus = 1, ++i;
    if (i < text.size() && text[i] == '?') one.optional = true, ++i;
    if (text.substr(i).starts_with("|1")) one.or_one = true, i += 2;
    d.list[d.rank++] = one;
    while (i < text.size() && (text[i] == ' ' || text[i] == ',')) ++i;
  }
  return d;
}

struct Shapes {
  Dimensions inputs[HEARTH_MAX_INPUTS], outputs[HEARTH_MAX_OUTPUTS];
};
constexpr auto kShapes = [] {
  std::array<Shapes, std::size(kInventory)> all{};
  for (size_t op = 0; op < all.size(); ++op) {
    for (size_t i = 0; i < kInventory[op].inputs.size(); ++i) all[op].inputs[i] = parse(kInventory[op].inputs[i].dims);
    for (size_t i = 0; i < kInventory[op].outputs.size(); ++i)
      all[op].outputs[i] = parse(kInventory[op].outputs[i].dims);
  }
  return all;
}();

struct Bindings {
  int64_t value[128];
  uint64_t low = 0, high = 0;
  bool bound(char c) const { return ((c < 64 ? low : high) >> (c % 64)) & 1; }
  void bind(char c, int64_t v) {
    (c < 64 ? low : high) |= uint64_t{1} << (c % 64);
    value[static_cast<int>(c)] = v;
  }
};

// Of a tensor of that rank: without the dimension that may be left out, if it is.
Dimensions of_rank(const Dimensions& all, int rank) {
  if (rank != all.rank - 1) return all;
  Dimensions some{.list = {}, .rank = 0, .strided = all.strided};
  for (int i = 0; i < all.rank; ++i)
    if (!all.list[i].optional) some.list[some.rank++] = all.list[i];
  return some;
}

// The first dimensions may be strided; what lies within a row of them is dense.
Result<> check_strides(const OpInfo& op, const TensorInfo& t, const HearthTensor& tensor, int strided) {
  int64_t room = 1;  // elements that what follows a dimension takes up
  for (int i = tensor.rank - 1; i >= 0; --i) {
    const bool may = i < strided && tensor.rank > 1;
    if (tensor.dims[i] > 1 && tensor.strides[i] != room) {
      if (!may)
        return fail(ErrorKind::Invalid, "[{}] stride {} of {}; got {}, need {}", op.name, i, t.name, tensor.strides[i],
                    room);
      if (tensor.strides[i] < room)
        return fail(ErrorKind::Invalid, "[{}] rows of {} overlap; got stride {}, need at least {}", op.name, t.name,
                    tensor.strides[i], room);
      room = tensor.strides[i];
    }
    room *= tensor.dims[i];
  }
  return {};
}

Result<> check_tensor(const OpInfo& op, const TensorInfo& t, const Dimensions& all, const HearthTensor& tensor,
                      DType first, Bindings& bindings) {
  if (tensor.dtype < 0 || tensor.dtype >= kDTypeCount)
    return fail(ErrorKind::Invalid, "[{}] type of {}; got number {}, need below {}", op.name, t.name, tensor.dtype,
                kDTypeCount);
  const DType type = static_cast<DType>(tensor.dtype);
  if (t.types == kSame0 ? type != first : (t.types & bit(type)) == 0)
    return fail(ErrorKind::Invalid, "[{}] type of {}; got {}, need {}", op.name, t.name, to_string(type),
                t.types == kSame0 ? to_string(first) : "one that docs/ops.md lists");
  const Dimensions dims = of_rank(all, tensor.rank);
  if (tensor.rank != dims.rank)
    return fail(ErrorKind::Invalid, "[{}] rank of {}; got {}, need {} ({})", op.name, t.name, tensor.rank, all.rank,
                t.dims);
  for (int i = 0; i < dims.rank; ++i) {
    const Dimension& d = dims.list[i];
    const int64_t size = tensor.dims[i];
    if (size < 0 || (size - d.plus) % d.factor != 0 || size < d.plus)
      return fail(ErrorKind::Invalid, "[{}] dimension {} of {} ({}); got {}", op.name, i, t.name, t.dims, size);
    const int64_t value = (size - d.plus) / d.factor;
    if (d.or_one && size == 1) continue;
    if (!bindings.bound(d.symbol)) bindings.bind(d.symbol, value);
    if (bindings.value[static_cast<int>(d.symbol)] != value)
      return fail(ErrorKind::Invalid, "[{}] dimension {} of {} ({}); got {}, need {}", op.name, i, t.name, t.dims, size,
                  bindings.value[static_cast<int>(d.symbol)] * d.factor + d.plus);
  }
  if (const int64_t block = hearth::info(type).block_elements; block > 1) {
    const int64_t columns = tensor.dims[dims.rank - 1];
    if (columns % block != 0 || (dims.rank > 1 && tensor.strides[0] % block != 0))
      return fail(ErrorKind::Invalid, "[{}] rows of {}; got {} elements, stride {}, need whole blocks of {} ({})",
                  op.name, t.name, columns, tensor.strides[0], block, to_string(type));
  }
  if (layout_of(tensor) != Layout::Plain) {
    if (t.types != kWeight || (t.name != "w" && t.name != "table"))
      return fail(ErrorKind::Invalid, "[{}] {} is packed; only weights may be", op.name, t.name);
    return {};
  }
  TRY(check_strides(op, t, tensor, dims.strided));
  if (tensor.data == nullptr && element_count(tensor) > 0)
    return fail(ErrorKind::Invalid, "[{}] {} has no data", op.name, t.name);
  return {};
}

// Attributes that choose: only numbers that the list has.
Result<> check_choices(const OpInfo& op, const void* attributes) {
  for (const AttributeInfo& a : op.attributes) {
    if (a.choices.empty()) continue;
    int32_t number;
    std::memcpy(&number, static_cast<const char*>(attributes) + a.offset, sizeof number);
    if (choice_word(a.choices, number).empty())
      return fail(ErrorKind::Invalid, "[{}] {}; got {}, need the number of one of {}", op.name, a.name, number,
                  a.choices);
  }
  return {};
}

template <class Attributes>
const Attributes& attributes_of(const HearthOpCall& call) {
  static constexpr Attributes kDefault{};
  return call.attributes != nullptr ? *static_cast<const Attributes*>(call.attributes) : kDefault;
}

// Strides and dilations are positive and pads are not negative. `extent` is what a window spans; none of these may be
// so large that a position in the padded image does not fit 64 bits.
constexpr int64_t kMaxExtent = int64_t{1} << 40;
template <class Attributes>
Result<> check_window(std::string_view op, const Attributes& a, int64_t kernel_height, int64_t kernel_width) {
  for (const int32_t step : {a.stride_height, a.stride_width, a.dilation_height, a.dilation_width})
    if (step < 1) return fail(ErrorKind::Invalid, "[{}] strides and dilations; got {}, need at least 1", op, step);
  for (const int32_t pad : {a.pad_top, a.pad_left})
    if (pad < 0) return fail(ErrorKind::Invalid, "[{}] pads; got {}, need at least 0", op, pad);
  for (const auto& [kernel, dilation] :
       {std::pair{kernel_height, a.dilation_height}, std::pair{kernel_width, a.dilation_width}})
    if (kernel < 1 || kernel > kMaxExtent / dilation)
      return fail(ErrorKind::Invalid, "[{}] kernel; got {}, need 1 to {}", op, kernel, kMaxExtent / dilation);
  return {};
}

Result<> check_conv(const Conv2dAttributes& a, int64_t channels, int64_t group_channels, int64_t out_channels,
                    int64_t kernel_height, int64_t kernel_width) {
  TRY(check_window("conv2d", a, kernel_height, kernel_width));
  if (a.groups < 1) return fail(ErrorKind::Invalid, "[conv2d] groups; got {}, need at least 1", a.groups);
  if (group_channels < 1) return fail(ErrorKind::Invalid, "[conv2d] channels of w; got 0, need at least 1");
  if (group_channels != channels / a.groups || channels % a.groups != 0)
    return fail(ErrorKind::Invalid, "[conv2d] channels of x; got {}, need {} groups of {}", channels, a.groups,
                group_channels);
  if (out_channels % a.groups != 0)
    return fail(ErrorKind::Invalid, "[conv2d] output channels; got {}, need a multiple of {}", out_channels, a.groups);
  return {};
}

// What symbols alone cannot say.
Result<> check_relations(Op op, const Bindings& b, const HearthOpCall& call) {
  const auto v = [&](char c) { return b.value[static_cast<int>(c)]; };
  switch (op) {
    case Op::Rope:
      if (2 * v('r') > v('d'))
        return fail(ErrorKind::Invalid, "[rope] pairs; got {}, need at most {}", v('r'), v('d') / 2);
      break;
    case Op::PagedAttention:
    case Op::DenseAttention:
      if (v('g') == 0 || v('h') % v('g') != 0)
        return fail(ErrorKind::Invalid, "[{}] query heads; got {}, need a multiple of {}", info(op).name, v('h'),
                    v('g'));
      break;
    case Op::MaskLogits:
      if (v('w') != (v('n') + 31) / 32)
        return fail(ErrorKind::Invalid, "[mask_logits] words of mask; got {}, need {}", v('w'), (v('n') + 31) / 32);
      break;
    case Op::TopK:
      if (v('k') > v('n')) return fail(ErrorKind::Invalid, "[top_k] k; got {}, need at most {}", v('k'), v('n'));
      break;
    case Op::Conv2d:
      return check_conv(attributes_of<Conv2dAttributes>(call), v('c'), v('i'), v('o'), v('p'), v('q'));
    case Op::Pool2d: {
      const auto& a = attributes_of<Pool2dAttributes>(call);
      if (a.pad_bottom < 0 || a.pad_right < 0)
        return fail(ErrorKind::Invalid, "[pool2d] pads; got {}, need at least 0", std::min(a.pad_bottom, a.pad_right));
      TRY(check_window("pool2d", a, a.kernel_height, a.kernel_width));
      if (int64_t{a.kernel_height} * a.kernel_width > INT32_MAX)
        return fail(ErrorKind::Invalid, "[pool2d] kernel; got {} by {}, need at most {} positions", a.kernel_height,
                    a.kernel_width, INT32_MAX);
      break;
    }
    case Op::Pointwise: {
      const auto step = static_cast<Pointwise>(attributes_of<PointwiseAttributes>(call).step);
      const bool given = call.inputs[1].data != nullptr;
      if (given != has_operand(step))
        return fail(ErrorKind::Invalid, "[pointwise] operand; got {}, need {} for {}", given ? "one" : "none",
                    given ? "none" : "one", choice_word(kPointwiseSteps, static_cast<int64_t>(step)));
      if (given && v('p') == 0) return fail(ErrorKind::Invalid, "[pointwise] rows of o; got 0, need at least 1");
      break;
    }
    default:
      break;
  }
  return {};
}

}  // namespace

std::span<const OpInfo> inventory() {
  return kInventory;
}

const OpInfo& info(Op op) {
  return kInventory[static_cast<int>(op)];
}

const OpInfo* find_op(std::string_view name) {
  for (const OpInfo& op : kInventory)
    if (op.name == name) return &op;
  return nullptr;
}

Result<> validate(Op op, const HearthOpCall& call) {
  const OpInfo& o = info(op);
  const Shapes& shapes = kShapes[static_cast<size_t>(op)];
  const DType first = static_cast<DType>(call.inputs[0].dtype);
  Bindings bindings;
  for (size_t i = 0; i < o.inputs.size(); ++i) {
    if (o.inputs[i].optional && call.inputs[i].data == nullptr) continue;
    TRY(check_tensor(o, o.inputs[i], shapes.inputs[i], call.inputs[i], first, bindings));
  }
  for (size_t i = 0; i < o.outputs.size(); ++i)
    TRY(check_tensor(o, o.outputs[i], shapes.outputs[i], call.outputs[i], first, bindings));
  if (call.attributes != nullptr) TRY(check_choices(o, call.attributes));
  return check_relations(op, bindings, call);
}

}  // namespace hearth::ops
