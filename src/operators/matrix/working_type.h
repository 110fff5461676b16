// The types this family computes in, and the way in and out of them. Every kernel exists for at most four types: float
// for the floats up to 32 bits, double for float64, and unsigned integers of 32 and 64 bits for all integers (signed
// ones are sign-extended; sums and products wrap, so their low bits are those of the element's own arithmetic).
// Tensors of another element type are converted as a whole on the way in and out.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <utility>

#include "base/result.h"
#include "operators/kernel.h"
#include "tensor/value.h"

namespace hearth::operators {

// function.template operator()<C>() for the type floats of this kind are computed in; an error for other types.
template <class Function>
Result<> in_working_float(Call& call, DType dtype, Function&& function) {
  switch (dtype) {
    case DType::F64:
      return function.template operator()<double>();
    case DType::F32:
    case DType::F16:
    case DType::BF16:
    case DType::F8E4M3FN:
    case DType::F8E4M3FNUZ:
    case DType::F8E5M2:
    case DType::F8E5M2FNUZ:
      return function.template operator()<float>();
    default:
      return call.unsupported("element type; got {}, need a floating-point type", to_string(dtype));
  }
}
// The same for floats and integers.
template <class Function>
Result<> in_working_type(Call& call, DType dtype, Function&& function) {
  switch (dtype) {
    case DType::I64:
    case DType::U64:
      return function.template operator()<uint64_t>();
    case DType::I8:
    case DType::I16:
    case DType::I32:
    case DType::U8:
    case DType::U16:
    case DType::U32:
      return function.template operator()<uint32_t>();
    default:
      return in_working_float(call, dtype, std::forward<Function>(function));
  }
}

// `count` elements of type `from`, widened. To float and double: every number type and bool; to uint32_t and uint64_t:
// integers no wider. False when the pair is not served.
template <class C>
bool widen(DType from, const void* source, int64_t count, C* to);
// The way back: floats round to nearest even (8-bit ones saturate), float to integer truncates and saturates,
// integers wrap.
template <class C>
bool narrow(const C* source, int64_t count, DType to, void* target);

// Room that counts against the session's memory and goes with this object.
template <class C>
class Scratch {
 public:
  Scratch() = default;
  // A product of sizes that no memory holds is an error, as is a negative size.
  static Result<Scratch> make(Call& call, std::initializer_list<int64_t> sizes) {
    ASSIGN_OR_RETURN(const int64_t count, count_elements(std::span(sizes.begin(), sizes.size())));
    Scratch made;
    ASSIGN_OR_RETURN(made.room_, call.memory().allocate(static_cast<size_t>(count) * sizeof(C)));
    return made;
  }
  C* data() const { return reinterpret_cast<C*>(room_.get()); }
  C& operator[](int64_t i) const { return data()[i]; }

 private:
  std::shared_ptr<std::byte> room_;  // shared as TensorMemory hands it out; this is its only owner
};

// A tensor's elements as C: its own when they have that type, else a converted copy. The tensor must outlive it.
template <class C>
class Wide {
 public:
  static Result<Wide> make(Call& call, const Tensor& tensor);
  const C* data() const { return data_; }
  const C& operator[](int64_t i) const { return data_[i]; }

 private:
  const C* data_ = nullptr;
  Scratch<C> copy_;
};

// Output `index`, to be filled as C. finish() converts it when its element type is another.
template <class C>
class WideOutput {
 public:
  static Result<WideOutput> make(Call& call, int index, DType dtype, const Dims& dims);
  C* data() const { return data_; }
  int64_t size() const { return tensor_->size(); }
  void finish(Call& call);

 private:
  Tensor* tensor_ = nullptr;
  C* data_ = nullptr;
  Scratch<C> copy_;
};

// Whether elements of this type lie in memory as the working type C does.
template <class C>
constexpr bool lies_as(DType dtype) {
  if constexpr (std::is_same_v<C, float>) return dtype == DType::F32;
  if constexpr (std::is_same_v<C, double>) return dtype == DType::F64;
  if constexpr (std::is_same_v<C, uint32_t>) return dtype == DType::U32 || dtype == DType::I32;
  if constexpr (std::is_same_v<C, uint64_t>) return dtype == DType::U64 || dtype == DType::I64;
  return false;
}

}  // namespace hearth::operators
