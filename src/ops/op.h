// The op inventory as C++: enum, attribute structs, description table, one call structure for every backend.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "ops/pointwise_step.h"
#include "tensor/tensor.h"

extern "C" {

#define HEARTH_MAX_INPUTS 12
#define HEARTH_MAX_OUTPUTS 4

// One call of one op. Tensors stand in the order of ops.inc; an absent OPT input has data == NULL.
// `attributes` points at the op's attribute struct (NULL: defaults).
typedef struct HearthOpCall {
  HearthTensor inputs[HEARTH_MAX_INPUTS];
  HearthTensor outputs[HEARTH_MAX_OUTPUTS];
  const void* attributes;
} HearthOpCall;

enum HearthStatus {
  HEARTH_OK = 0,
  HEARTH_UNSUPPORTED = 1,  // this kernel does not serve these types, layouts or sizes: another may
  HEARTH_INVALID = 2,      // shapes, types or values break the op's contract
  HEARTH_NO_MEMORY = 3,
  HEARTH_DEVICE_LOST = 4,
};

// The one signature of every kernel on every backend: `int hearth_<backend>_<op>(void* stream, const HearthOpCall*)`.
// Never throws. `stream` is the backend's own (the CPU's thread pool; a CUDA stream); ref ignores it.
typedef int (*HearthOpFn)(void* stream, const HearthOpCall* call);
}

namespace hearth::ops {

enum class Op : int32_t {
#define HEARTH_OP(Name, name, ...) Name,
#include "ops/ops.inc"
#undef HEARTH_OP
};

// ---- choices: int32 attributes whose numbers have words, in a list like "auto direct winograd" (0, 1, 2)
inline constexpr std::string_view kPointwiseSteps =
#define HEARTH_POINTWISE_OPERAND(Name, name, ...) #name " "
#define HEARTH_POINTWISE(Name, name, ...) #name " "
#include "ops/pointwise.inc"
    ;
// None, then the steps without an operand.
inline constexpr std::string_view kActivations = "none "
#define HEARTH_POINTWISE(Name, name, ...) #name " "
#include "ops/pointwise.inc"
    ;
constexpr Pointwise step_of_activation(int32_t activation) {  // not of 0, which is none
  return static_cast<Pointwise>(static_cast<int32_t>(Pointwise::Prelu) + activation);
}
inline constexpr std::string_view kFactorTypes = "f32 bf16";
inline constexpr std::string_view kConvAlgorithms = "auto direct winograd depthwise";
inline constexpr std::string_view kPoolings = "max average average_with_pads";

// The word of a number, "" beyond the list; the number of a word, -1 when the list lacks it.
constexpr std::string_view choice_word(std::string_view choices, int64_t number) {
  size_t at = 0;
  for (; number > 0 && at < choices.size(); ++at)
    if (choices[at] == ' ') --number;
  return number != 0 ? "" : choices.substr(at, choices.find(' ', at) - at);
}
constexpr int32_t choice_number(std::string_view choices, std::string_view word) {
  for (int32_t i = 0; !choice_word(choices, i).empty(); ++i)
    if (choice_word(choices, i) == word) return i;
  return -1;
}

// ---- attribute structs: RmsNormAttributes { float eps; float weight_offset; } with the defaults of ops.inc
#define IN(...)
#define OPT(...)
#define OUT(...)
#define INOUT(...)
#define ATTR(type, name, value) type name = value;
#define CHOICE(name, choices) int32_t name = 0;
#define HEARTH_OP(Name, name, doc, inputs, outputs, attributes, ...) \
  struct Name##Attributes {                                          \
    attributes                                                       \
  };
#include "ops/ops.inc"
#undef HEARTH_OP
#undef CHOICE
#undef ATTR
#undef INOUT
#undef OUT
#undef OPT
#undef IN

// Sets of element types: a bit per DType.
using TypeSet = uint64_t;
constexpr TypeSet bit(DType type) {
  return TypeSet{1} << static_cast<int>(type);
}
inline constexpr TypeSet kF32 = bit(DType::F32);
inline constexpr TypeSet kI32 = bit(DType::I32);
inline constexpr TypeSet kU32 = bit(DType::U32);
inline constexpr TypeSet kU8 = bit(DType::U8);
inline constexpr TypeSet kAct = bit(DType::F32) | bit(DType::BF16) | bit(DType::F16);
inline constexpr TypeSet kKv = kAct;
inline constexpr TypeSet kWeight = kAct | bit(DType::Q8_0) | bit(DType::Q4_0) | bit(DType::Q4_1) | bit(DType::Q5_0) |
                                   bit(DType::Q5_1) | bit(DType::Q4_K) | bit(DType::Q5_K) | bit(DType::Q6_K);
inline constexpr TypeSet kSame0 = 0;  // the type of input 0

struct TensorInfo {
  std::string_view name;
  TypeSet types;
  std::string_view dims;
  bool optional;
  bool in_out;
};
// How many dimensions, from the first on, may be strided: those before the comma of a list, else one.
constexpr int strided_dims(std::string_view dims) {
  const size_t comma = dims.find(',');
  if (comma == std::string_view::npos) return 1;
  int count = 0;
  for (const char c : dims.substr(0, comma)) count += c >= 'a' && c <= 'z' ? 1 : 0;
  return count;
}
struct AttributeInfo {
  std::string_view name;
  bool is_float;  // else int32_t
  size_t offset;
  double value;              // the default
  std::string_view choices;  // words of its numbers; empty: any number
};
struct OpInfo {
  Op op;
  std::string_view name;
  std::string_view doc;
  std::span<const TensorInfo> inputs, outputs;
  std::span<const AttributeInfo> attributes;
  size_t attributes_size;
  double tolerance_f32, tolerance_bf16;
};

std::span<const OpInfo> inventory();
const OpInfo& info(Op op);
const OpInfo* find_op(std::string_view name);  // nullptr when there is none

// Checks types, dimension symbols, strides and choices of a call against the inventory. Error text names op, tensor and
// sizes. Value ranges (ids, slots) are the kernels' to check: they return HEARTH_INVALID.
Result<> validate(Op op, const HearthOpCall& call);

}  // namespace hearth::ops
