#include "operators/pack_weight.h"

#include <algorithm>

namespace hearth::operators {

namespace {

using ops::cpu::ConvAlgorithm;
using ops::cpu::ConvShape;
using ops::cpu::dense_kernels;
using ops::cpu::Factors;
using ops::cpu::kPackedColumns;

constexpr int64_t kPartBytes = 2 << 20;  // about, of what a part reads: enough parts for every thread, few calls

// A convolution whose packed weight is this matrix: its k rows are so many taps of so many channels each.
ConvShape conv_of_matrix(int64_t taps, int64_t channels, int64_t n) {
  ConvShape shape;
  shape.kernel_width = taps;
  shape.channels = channels;
  shape.out_channels = n;
  return shape;
}

}  // namespace

Result<float*> WeightPacking::Scratch::room(int64_t count) {
  if (!held_ || held_.size() < count) {
    held_ = Tensor();
    ASSIGN_OR_RETURN(held_, Tensor::allocate(DType::F32, {count}));
  }
  return held_.mutable_data<float>();
}

void WeightPacking::choose_parts(int64_t columns, bool separable) {
  const int64_t column_bytes = std::max<int64_t>(1, source_.size() / columns * static_cast<int64_t>(sizeof(float)));
  const int64_t blocks = (columns + kPackedColumns - 1) / kPackedColumns;
  const int64_t block_bytes = column_bytes * kPackedColumns;
  if (separable) parts_ = static_cast<int>(std::clamp<int64_t>(blocks * block_bytes / kPartBytes, 1, blocks));
}

WeightPacking WeightPacking::matrix(StridedFloats b, int64_t k, int64_t n, Factors factors) {
  WeightPacking made;
  made.source_ = std::move(b);
  made.k_ = k;
  made.n_ = n;
  made.factors_ = factors;
  made.bytes_ = dense_kernels().packed_matrix_bytes(k, n, factors);
  StridedFloats::Matrix& m = made.matrix_;
  if (made.source_.as_matrix(n, m)) {
    const int64_t taps = k / m.inner_rows;
    const bool pairs = factors == Factors::F32 || m.inner_rows % 2 == 0;
    if (taps == 1) {
      made.way_ = Way::Matrix;
    } else if (pairs && m.outer_stride == 1 && m.row_stride == taps && m.column_stride == k) {
      made.way_ = Way::Conv;
      made.shape_ = conv_of_matrix(taps, m.inner_rows, n);
    } else if (pairs && m.column_stride == 1) {
      made.way_ = Way::Nested;
    }
  }
  made.choose_parts(n, made.way_ != Way::Copy);
  return made;
}

WeightPacking WeightPacking::conv(StridedFloats w, const ConvShape& shape, ConvAlgorithm algorithm, Factors factors) {
  WeightPacking made;
  made.is_conv_ = true;
  made.source_ = std::move(w);
  made.n_ = shape.out_channels;
  made.shape_ = shape;
  made.algorithm_ = algorithm;
  made.factors_ = factors;
  made.bytes_ = dense_kernels().packed_conv_bytes(shape, algorithm, factors);
  const float *at = nullptr, *scale = nullptr;
  if (made.source_.as_rows(shape.out_channels, at, scale)) {
    made.way_ = Way::Conv;
    made.matrix_.at = at;
  }
  made.choose_parts(shape.out_channels, made.way_ != Way::Copy && shape.groups == 1);
  return made;
}

Result<> WeightPacking::pack_columns(int64_t begin, int64_t end, std::byte* packed, Scratch& scratch) const {
  const auto& kernels = dense_kernels();
  const int64_t count = end - begin;
  const float* scale = source_.scale.empty() ? nullptr : source_.scale.data() + begin;
  const StridedFloats::Matrix& m = matrix_;
  switch (way_) {
    case Way::Matrix:
      kernels.pack_matrix(m.at + begin * m.column_stride, m.row_stride, m.column_stride, k_, count, scale, factors_,
                          packed + kernels.packed_matrix_bytes(k_, begin, factors_));
      if (m.row_stride == 1 && m.column_stride == k_)
        source_.release(m.at + begin * k_, static_cast<size_t>(count * k_));
      return {};
    case Way::Nested: {
      // A panel's rows follow each other: those of one outer step are a piece of it.
      const auto width = static_cast<int64_t>(kernels.packed_matrix_bytes(1, 1, Factors::F32) / sizeof(float));
      for (int64_t column = begin; column < end; column += width) {
        std::byte* to = packed + kernels.packed_matrix_bytes(k_, column, factors_);
        const int64_t columns = std::min(width, end - column);
        for (int64_t row = 0; row < k_; row += m.inner_rows) {
          kernels.pack_matrix(m.at + row / m.inner_rows * m.outer_stride + column, m.row_stride, 1, m.inner_rows,
                              columns, scale == nullptr ? nullptr : scale + column - begin, factors_, to);
          to += kernels.packed_matrix_bytes(m.inner_rows, columns, factors_);
        }
      }
      return {};
    }
    case Way::Conv: {
      const int64_t column = source_.size() / n_;
      ConvShape before = shape_, part = shape_;
      before.out_channels = begin;
      part.out_channels = count;
      kernels.pack_conv(m.at + begin * column, part, scale, algorithm_, factors_,
                        packed + (begin == 0 ? 0 : kernels.packed_conv_bytes(before, algorithm_, factors_)));
      source_.release(m.at + begin * column, static_cast<size_t>(count * column));
      return {};
    }
    case Way::Copy:
      break;
  }
  ASSIGN_OR_RETURN(float* room, scratch.room(source_.size()));
  source_.write(room);
  if (is_conv_)
    kernels.pack_conv(room, shape_, nullptr, algorithm_, factors_, packed);
  else
    kernels.pack_matrix(room, n_, 1, k_, n_, nullptr, factors_, packed);
  return {};
}

Result<> WeightPacking::pack(int part, void* packed, Scratch& scratch) const {
  const int64_t blocks = (n_ + kPackedColumns - 1) / kPackedColumns;
  const int64_t begin = blocks * part / parts_ * kPackedColumns;
  const int64_t end = std::min(n_, blocks * (part + 1) / parts_ * kPackedColumns);
  return pack_columns(begin, end, static_cast<std::byte*>(packed), scratch);
}

Result<Tensor> WeightPacking::pack() const {
  ASSIGN_OR_RETURN(Tensor packed, Tensor::allocate(DType::U8, {static_cast<int64_t>(bytes_)}));
  Scratch scratch;
  for (int part = 0; part < parts_; ++part) TRY(pack(part, packed.mutable_raw(), scratch));
  source_.release();
  return packed;
}

}  // namespace hearth::operators
