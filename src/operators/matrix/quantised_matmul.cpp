// MatMulInteger and QLinearMatMul: zero points are taken off as elements are widened, then one product of the working
// type does the rest.
#include <algorithm>

#include "operators/matrix/kernels.h"
#include "operators/matrix/matmul_shape.h"
#include "operators/matrix/multiply.h"
#include "operators/matrix/requantise.h"

namespace hearth::operators {

namespace {

enum class Lines { Rows, Columns };  // what an operand's scales and zero points may differ by

// A stack of matrices seen through its rows or columns.
struct Operand {
  int64_t matrices = 1, rows = 1, columns = 1;
  Lines lines;
  Dims parameter_dims;  // of parameters for every line of every matrix: […, rows, 1] or […, 1, columns]
  int64_t line_count() const { return lines == Lines::Rows ? rows : columns; }
};

Result<Operand> read_operand(const Dims& dims, Lines lines) {
  Operand operand;
  operand.lines = lines;
  operand.parameter_dims = dims;
  if (dims.rank() == 1) {
    // A vector is one row on the left, one column on the right: it has a single line.
    (lines == Lines::Rows ? operand.columns : operand.rows) = dims[0];
    operand.parameter_dims[0] = 1;
  } else {
    operand.columns = dims.back();
    operand.rows = dims[dims.size() - 2];
    operand.parameter_dims[dims.size() - (lines == Lines::Rows ? 1 : 2)] = 1;
    ASSIGN_OR_RETURN(operand.matrices, count_elements(std::span(dims.begin(), dims.size() - 2)));
  }
  TRY(count_elements(operand.parameter_dims));
  return operand;
}

// Scales or zero points: one, one a line of every matrix alike, or of the operand's rank with sizes that broadcast.
// Laid out as [matrices][lines].
Result<Scratch<float>> expand_parameter(Call& call, int input, const Operand& operand) {
  const int64_t lines = operand.line_count();
  ASSIGN_OR_RETURN(auto expanded, Scratch<float>::make(call, {operand.matrices, lines}));
  const int64_t total = operand.matrices * lines;
  if (!call.has(input)) {
    std::fill_n(expanded.data(), total, 0.0f);
    return expanded;
  }
  ASSIGN_OR_RETURN(const Tensor* parameter, call.tensor(input));
  ASSIGN_OR_RETURN(const auto values, Wide<float>::make(call, *parameter));
  const Dims &dims = parameter->dims(), &full = operand.parameter_dims;
  if (parameter->size() == 1) {
    std::fill_n(expanded.data(), total, values[0]);
    return expanded;
  }
  if (dims.rank() == 1 && dims[0] == lines) {
    for (int64_t m = 0; m < operand.matrices; ++m) std::copy_n(values.data(), lines, expanded.data() + m * lines);
    return expanded;
  }
  bool fits = dims.rank() == full.rank();
  for (size_t i = 0; fits && i < dims.size(); ++i) fits = dims[i] == full[i] || dims[i] == 1;
  if (!fits)
    return call.invalid("scale or zero point, input {}; got {}, need one element, [{}], or sizes that broadcast to {}",
                        input, to_string(dims), lines, to_string(full));
  for (int64_t i = 0; i < total; ++i) {
    int64_t rest = i, at = 0, step = 1;
    for (size_t axis = full.size(); axis-- > 0;) {
      if (dims[axis] != 1) at += rest % full[axis] * step;
      rest /= full[axis];
      step *= dims[axis];
    }
    expanded[i] = values[at];
  }
  return expanded;
}

// The operand's elements in the working type, zero points taken off.
template <class C>
Result<Scratch<C>> centred(Call& call, const Tensor& tensor, const Operand& operand, int zero_point_input) {
  ASSIGN_OR_RETURN(auto elements, Scratch<C>::make(call, {tensor.size()}));
  if (!widen(tensor.dtype(), tensor.raw(), tensor.size(), elements.data()))
    return call.unsupported("element type; got {}, need an 8-bit type", to_string(tensor.dtype()));
  if (!call.has(zero_point_input) || tensor.size() == 0) return elements;
  ASSIGN_OR_RETURN(const auto zero_points, expand_parameter(call, zero_point_input, operand));
  const auto as_working = [](float zero) {
    if constexpr (std::is_integral_v<C>) return static_cast<C>(static_cast<int32_t>(zero));
    if constexpr (!std::is_integral_v<C>) return zero;
  };
  const bool by_row = operand.lines == Lines::Rows;
  call.parallel(operand.matrices * operand.rows, 1 + (1 << 16) / (operand.columns + 1),
                [&](int64_t begin, int64_t end) {
                  for (int64_t row = begin; row < end; ++row) {
                    C* to = elements.data() + row * operand.columns;
                    if (by_row) {
                      const C zero = as_working(zero_points[row]);
                      for (int64_t j = 0; j < operand.columns; ++j) to[j] -= zero;
                    } else {
                      const float* zeros = zero_points.data() + row / operand.rows * operand.columns;
                      for (int64_t j = 0; j < operand.columns; ++j) to[j] -= as_working(zeros[j]);
                    }
                  }
                });
  return elements;
}

struct Inputs {  // their numbers
  int a, a_zero_point, b, b_zero_point;
};

// Sums of all products into y, which has the result's size.
template <class C>
Result<> multiply_centred(Call& call, const Inputs& inputs, const MatMulShape& shape, const Operand& left,
                          const Operand& right, C* y) {
  ASSIGN_OR_RETURN(const auto a, centred<C>(call, call.input(inputs.a), left, inputs.a_zero_point));
  ASSIGN_OR_RETURN(const auto b, centred<C>(call, call.input(inputs.b), right, inputs.b_zero_point));
  const int64_t rows = shape.rows, depth = shape.depth, columns = shape.columns;
  return multiply_all<C>(call, shape.count, rows, columns, depth, [&](int64_t i) {
    return Product<C>{{a.data() + shape.a_matrix(i) * rows * depth, depth, 1},
                      {b.data() + shape.b_matrix(i) * depth * columns, columns, 1},
                      y + i * rows * columns};
  });
}

bool is_byte_integer(DType dtype) {
  return dtype == DType::I8 || dtype == DType::U8;
}

}  // namespace

Result<> run_matmul_integer(Call& call) {
  constexpr Inputs kInputs{0, 2, 1, 3};
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* b, call.tensor(1));
  if (!is_byte_integer(a->dtype()) || !is_byte_integer(b->dtype()))
    return call.unsupported("element types; got {} and {}, need i8 or u8", to_string(a->dtype()),
                            to_string(b->dtype()));
  ASSIGN_OR_RETURN(const MatMulShape shape, matmul_shape(call, a->dims(), b->dims()));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::I32, shape.result));
  ASSIGN_OR_RETURN(const Operand left, read_operand(a->dims(), Lines::Rows));
  ASSIGN_OR_RETURN(const Operand right, read_operand(b->dims(), Lines::Columns));
  return multiply_centred<uint32_t>(call, kInputs, shape, left, right, y->mutable_data<uint32_t>());
}

namespace {

template <class C>
Result<> qlinear_matmul(Call& call, const Tensor& a, const Tensor& b, DType dtype) {
  constexpr Inputs kInputs{0, 2, 3, 5};
  ASSIGN_OR_RETURN(const MatMulShape shape, matmul_shape(call, a.dims(), b.dims()));
  ASSIGN_OR_RETURN(const Operand left, read_operand(a.dims(), Lines::Rows));
  ASSIGN_OR_RETURN(const Operand right, read_operand(b.dims(), Lines::Columns));
  for (const int scale : {1, 4}) TRY(call.tensor(scale));
  ASSIGN_OR_RETURN(const auto a_scales, expand_parameter(call, 1, left));
  ASSIGN_OR_RETURN(const auto b_scales, expand_parameter(call, 4, right));
  ASSIGN_OR_RETURN(const float y_scale, read_scale(call, 6));
  ASSIGN_OR_RETURN(const float y_zero, read_zero_point(call, 7));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, dtype, shape.result));
  if (y->size() == 0) return {};
  const int64_t rows = shape.rows, columns = shape.columns;
  ASSIGN_OR_RETURN(const auto sums, Scratch<C>::make(call, {shape.count, rows, columns}));
  TRY(multiply_centred<C>(call, kInputs, shape, left, right, sums.data()));

  // One row of multipliers a run.
  const int64_t cost = columns;
  return run_units<float>(call, shape.count * rows, cost, columns, [&](int64_t begin, int64_t end, float* multipliers) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t i = row / rows;
      const float a_scale = a_scales[shape.a_matrix(i) * rows + row % rows];
      const float* scales = b_scales.data() + shape.b_matrix(i) * columns;
      for (int64_t j = 0; j < columns; ++j) multipliers[j] = a_scale * scales[j] / y_scale;
      requantise(sums.data() + row * columns, columns, multipliers, 1, y_zero, dtype,
                 static_cast<std::byte*>(y->mutable_raw()) + row * columns);
    }
  });
}

bool is_byte_float(DType dtype) {
  return dtype == DType::F8E4M3FN || dtype == DType::F8E4M3FNUZ || dtype == DType::F8E5M2 || dtype == DType::F8E5M2FNUZ;
}

}  // namespace

Result<> run_qlinear_matmul(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* b, call.tensor(3));
  ASSIGN_OR_RETURN(const Tensor* y_zero, call.tensor(7));
  for (const DType dtype : {a->dtype(), b->dtype(), y_zero->dtype()})
    if (!is_byte_integer(dtype) && !is_byte_float(dtype))
      return call.unsupported("element type; got {}, need i8, u8 or an 8-bit float", to_string(dtype));
  if (is_byte_integer(a->dtype()) && is_byte_integer(b->dtype()))
    return qlinear_matmul<uint32_t>(call, *a, *b, y_zero->dtype());
  return qlinear_matmul<float>(call, *a, *b, y_zero->dtype());
}

}  // namespace hearth::operators
