// Matrix products in the working types: the one inner loop of MatMul, Gemm, Einsum, attention, convolutions and RNNs.
#pragma once

#include <functional>

#include "operators/matrix/panels.h"
#include "operators/matrix/working_type.h"

namespace hearth::operators {

// A part of a product: rows and columns of the result. Where factors have panels, `row` is a multiple of kPanelRows and
// `column` one of panel_columns<C>.
struct Part {
  int64_t row = 0, rows = 0, column = 0, columns = 0;
};

// Elements of scratch that multiply() needs for a part of this size.
template <class C>
int64_t multiply_scratch(int64_t rows, int64_t columns, int64_t depth);

// y = A · B, or y += A · B, for one part of the result, on this thread. `y` is element (part.row, part.column); its
// rows are y_stride apart. A depth of 0 gives zeros. Sums run in blocks of kDepth, each left to right.
template <class C>
void multiply(const Factor<C>& a, const Factor<C>& b, int64_t depth, const Part& part, C* y, int64_t y_stride,
              bool accumulate, C* scratch);

// One of many products of equal size; y has `columns` elements a row, without gaps.
template <class C>
struct Product {
  Factor<C> a, b;
  C* y = nullptr;
};
// Computes products 0 … count - 1 on the call's threads. `product` is called on any of them.
template <class C>
Result<> multiply_all(Call& call, int64_t count, int64_t rows, int64_t columns, int64_t depth,
                      const std::function<Product<C>(int64_t)>& product);

// Units of work [0, count), each of `cost` multiplications and in need of `scratch_elements` of scratch, in a bounded
// number of runs: body(begin, end, scratch).
template <class C>
Result<> run_units(Call& call, int64_t count, int64_t cost, int64_t scratch_elements,
                   const std::function<void(int64_t begin, int64_t end, C* scratch)>& body);

// Rows of a part such that `units` times as many parts as there are of `rows` rows keep some threads busy, without
// parts so low that packing dominates.
int64_t part_rows(int64_t rows, int64_t units);

}  // namespace hearth::operators
