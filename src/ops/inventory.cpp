#include <array>
#include <iterator>

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
#define HEARTH_OP(Name, name, doc, inputs, outputs, ...) \
  constexpr TensorInfo k##Name##Inputs[] = {inputs};     \
  constexpr TensorInfo k##Name##Outputs[] = {outputs};
#include "ops/ops.inc"
#undef HEARTH_OP
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
  AttributeInfo{#name, is_float_attribute<type>, offsetof(Attributes, name), static_cast<double>(value)},
#define HEARTH_OP(Name, name, doc, inputs, outputs, attributes, ...)                        \
  struct Name##AttributeTable {                                                             \
    using Attributes = Name##Attributes;                                                    \
    static constexpr AttributeInfo kRows[] = {attributes AttributeInfo{"", false, 0, 0.0}}; \
  };
#include "ops/ops.inc"
#undef HEARTH_OP
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

// A dimension is a symbol bound over one call: `n`, twice it (`n2`), one more (`s1`), or one that may be left out
// (`h?`).
struct Dimension {
  char symbol;
  int64_t factor, plus;
  bool optional;
};
struct Dimensions {
  Dimension list[4];
  int rank;
};
constexpr Dimensions parse(std::string_view text) {
  Dimensions d{};
  for (size_t i = 0; i < text.size();) {
    Dimension one{text[i], 1, 0, false};
    ++i;
    if (i < text.size() && text[i] == '2') one.factor = 2, ++i;
    if (i < text.size() && text[i] == '1') one.plus = 1, ++i;
    if (i < text.size() && text[i] == '?') one.optional = true, ++i;
    d.list[d.rank++] = one;
    while (i < text.size() && text[i] == ' ') ++i;
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
  Dimensions some{};
  for (int i = 0; i < all.rank; ++i)
    if (!all.list[i].optional) some.list[some.rank++] = all.list[i];
  return some;
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
    if (t.name != "w" && t.name != "table")
      return fail(ErrorKind::Invalid, "[{}] {} is packed; only weights may be", op.name, t.name);
    return {};
  }
  // Rows may be strided; what lies within a row is dense.
  int64_t stride = 1;
  for (int i = dims.rank - 1; i >= 1 || (i == 0 && dims.rank == 1); --i) {
    if (tensor.strides[i] != stride && tensor.dims[i] > 1)
      return fail(ErrorKind::Invalid, "[{}] stride {} of {}; got {}, need {}", op.name, i, t.name, tensor.strides[i],
                  stride);
    stride *= tensor.dims[i];
  }
  if (dims.rank > 1 && tensor.dims[0] > 1 && tensor.strides[0] < stride)
    return fail(ErrorKind::Invalid, "[{}] rows of {} overlap; got stride {}, need at least {}", op.name, t.name,
                tensor.strides[0], stride);
  if (tensor.data == nullptr && element_count(tensor) > 0)
    return fail(ErrorKind::Invalid, "[{}] {} has no data", op.name, t.name);
  return {};
}

// What symbols alone cannot say.
Result<> check_relations(Op op, const Bindings& b) {
  const auto v = [&](char c) { return b.value[static_cast<int>(c)]; };
  switch (op) {
    case Op::Rope:
      if (2 * v('r') > v('d'))
        return fail(ErrorKind::Invalid, "[rope] pairs; got {}, need at most {}", v('r'), v('d') / 2);
      break;
    case Op::PagedAttention:
      if (v('g') == 0 || v('h') % v('g') != 0)
        return fail(ErrorKind::Invalid, "[paged_attention] query heads; got {}, need a multiple of {}", v('h'), v('g'));
      break;
    case Op::MaskLogits:
      if (v('w') != (v('n') + 31) / 32)
        return fail(ErrorKind::Invalid, "[mask_logits] words of mask; got {}, need {}", v('w'), (v('n') + 31) / 32);
      break;
    case Op::TopK:
      if (v('k') > v('n')) return fail(ErrorKind::Invalid, "[top_k] k; got {}, need at most {}", v('k'), v('n'));
      break;
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
  return check_relations(op, bindings);
}

}  // namespace hearth::ops
