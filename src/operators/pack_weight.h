// Constant weights in the form that the dense kernels read, packed from where their elements lie: in the model's file,
// in its order, before anybody has multiplied or turned them (StridedFloats).
#pragma once

#include <memory>

#include "ops/cpu/dense.h"
#include "tensor/value.h"

namespace hearth::operators {

class WeightPacking {
 public:
  // b as the matrix [k, n], float32, with at least one element.
  static WeightPacking matrix(StridedFloats b, int64_t k, int64_t n, ops::cpu::Factors factors);
  // w as pack_conv has it.
  static WeightPacking conv(StridedFloats w, const ops::cpu::ConvShape& shape, ops::cpu::ConvAlgorithm algorithm,
                            ops::cpu::Factors factors);

  size_t bytes() const { return bytes_; }  // of the packed weight, 64-byte aligned
  int parts() const { return parts_; }     // that may be packed at the same time
  const StridedFloats& source() const { return source_; }

  // Memory of one thread, for weights in an order that must be written out before they can be packed.
  class Scratch {
   public:
    Result<float*> room(int64_t count);

   private:
    Tensor held_;
  };
  // Gives pages of the source that no other part reads back. Fails only when there is no memory for scratch.
  Result<> pack(int part, void* packed, Scratch& scratch) const;
  // All parts, one after the other, into a tensor of its own.
  Result<Tensor> pack() const;

 private:
  enum class Way { Matrix, Nested, Conv, Copy };
  Result<> pack_columns(int64_t begin, int64_t end, std::byte* packed, Scratch& scratch) const;
  void choose_parts(int64_t columns, bool separable);

  Way way_ = Way::Copy;
  StridedFloats source_;
  StridedFloats::Matrix matrix_;  // its scale: source_'s, asked for when it is needed
  int64_t k_ = 0, n_ = 0;         // columns: of the matrix, or output channels
  bool is_conv_ = false;
  ops::cpu::ConvShape shape_;
  ops::cpu::ConvAlgorithm algorithm_ = ops::cpu::ConvAlgorithm::Direct;
  ops::cpu::Factors factors_ = ops::cpu::Factors::F32;
  size_t bytes_ = 0;
  int parts_ = 1;
};

}  // namespace hearth::operators
