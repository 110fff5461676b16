#include <algorithm>
#include <numeric>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/element_storage.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

namespace {

using OrderedTypes = TypeList<float, double, Half, BFloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t,
                              uint32_t, uint64_t, bool, std::string, std::complex<float>, std::complex<double>>;

// -1, 0, 1. NaNs are equal to each other and greater than every number; complex numbers are ordered by their real parts
// first.
template <class T>
int compare(const T& a, const T& b) {
  if constexpr (requires { a.real(); }) {
    const int real = compare(a.real(), b.real());
    return real != 0 ? real : compare(a.imag(), b.imag());
  } else if constexpr (std::is_same_v<T, std::string>) {
    return a.compare(b);
  } else {
    const auto x = static_cast<ComputeType<T>>(a), y = static_cast<ComputeType<T>>(b);
    if (x < y) return -1;
    if (x > y) return 1;
    if constexpr (std::is_floating_point_v<ComputeType<T>>) {
      if (x != x || y != y) return static_cast<int>(x != x) - static_cast<int>(y != y);
    }
    return 0;
  }
}

// Rows of `width` elements that may be equal to each other.
template <class T>
struct Rows {
  const T* data;
  int64_t width;

  int compare_rows(int64_t a, int64_t b) const {
    const T *x = data + a * width, *y = data + b * width;
    for (int64_t i = 0; i < width; ++i)
      if (const int order = compare(x[i], y[i]); order != 0) return order;
    return 0;
  }
};

// Which rows are the same. Groups are numbered in the order of the output.
struct Groups {
  Tensor first;  // group → its first row
  Tensor of;     // row → its group
  Tensor sizes;  // group → rows
  int64_t count = 0;
};

// `order`: the rows, sorted, equal ones by their number.
template <class T>
void find_groups(const Rows<T>& rows, const int64_t* order, int64_t row_count, Groups& groups) {
  auto *first = groups.first.mutable_data<int64_t>(), *of = groups.of.mutable_data<int64_t>(),
       *sizes = groups.sizes.mutable_data<int64_t>();
  for (int64_t i = 0; i < row_count; ++i) {
    if (i == 0 || rows.compare_rows(order[i - 1], order[i]) != 0) {
      first[groups.count] = order[i];
      sizes[groups.count++] = 0;
    }
    of[order[i]] = groups.count - 1;
    ++sizes[groups.count - 1];
  }
}

// Renumbers the groups by their first rows. `scratch` has room for twice the groups.
void order_by_first(Groups& groups, int64_t row_count, int64_t* scratch) {
  auto *first = groups.first.mutable_data<int64_t>(), *of = groups.of.mutable_data<int64_t>(),
       *sizes = groups.sizes.mutable_data<int64_t>();
  int64_t *by_first = scratch, *renumbered = scratch + groups.count;
  std::iota(by_first, by_first + groups.count, int64_t{0});
  std::sort(by_first, by_first + groups.count, [&](int64_t a, int64_t b) { return first[a] < first[b]; });
  for (int64_t i = 0; i < groups.count; ++i) renumbered[by_first[i]] = i;
  for (int64_t row = 0; row < row_count; ++row) of[row] = renumbered[of[row]];
  for (int64_t i = 0; i < groups.count; ++i) renumbered[i] = sizes[by_first[i]];
  std::copy_n(renumbered, groups.count, sizes);
  for (int64_t i = 0; i < groups.count; ++i) renumbered[i] = first[by_first[i]];
  std::copy_n(renumbered, groups.count, first);
}

Result<Groups> group_rows(Call& call, const Tensor& rows, int64_t row_count, int64_t width, bool sorted) {
  Groups groups;
  const auto ints = [&](int64_t count) { return Tensor::allocate(DType::I64, {count}, call.memory()); };
  ASSIGN_OR_RETURN(groups.first, ints(row_count));
  ASSIGN_OR_RETURN(groups.of, ints(row_count));
  ASSIGN_OR_RETURN(groups.sizes, ints(row_count));
  ASSIGN_OR_RETURN(Tensor scratch, ints(2 * row_count));
  auto* order = scratch.mutable_data<int64_t>();
  std::iota(order, order + row_count, int64_t{0});
  const bool known = with_type(OrderedTypes{}, rows.dtype(), [&]<class T>() {
    const Rows<T> typed{rows.data<T>(), width};
    std::sort(order, order + row_count, [&](int64_t a, int64_t b) {
      const int before = typed.compare_rows(a, b);
      return before != 0 ? before < 0 : a < b;
    });
    find_groups(typed, order, row_count, groups);
  });
  if (!known) return call.invalid("element type; got {}, which has no order", to_string(rows.dtype()));
  if (!sorted) order_by_first(groups, row_count, order);
  return groups;
}

// The tensor with `axis` in front: its positions are the rows to compare. The same memory when it is there already.
Result<Tensor> axis_first(Call& call, const Tensor& input, int axis) {
  if (axis == 0 || input.size() == 0) return input;
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < axis; ++i) outer *= input.dim(i);
  for (int i = axis + 1; i < input.rank(); ++i) inner *= input.dim(i);
  const int64_t size = input.dim(axis);
  ASSIGN_OR_RETURN(Tensor moved, Tensor::allocate(input.dtype(), input.dims(), call.memory()));
  StridedCopy box;
  box.add(size, outer * inner, inner);
  box.add(outer, inner, size * inner);
  box.add(inner, 1, 1);
  copy_strided(call, input.dtype(), box, moved.mutable_raw(), input.raw());
  return moved;
}

Result<> set_ints(Call& call, int i, const Tensor& values, int64_t count) {
  if (!call.wants(i)) return {};
  ASSIGN_OR_RETURN(Tensor * output, call.output(i, DType::I64, {count}));
  std::copy_n(values.data<int64_t>(), count, output->mutable_data<int64_t>());
  return {};
}

}  // namespace

Result<> run_unique(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  const int64_t sorted = call.node().int_or("sorted", 1);
  if (sorted != 0 && sorted != 1) return call.invalid("attribute sorted; got {}, need 0 or 1", sorted);
  const bool flat = !call.node().has("axis");
  int axis = 0;
  if (!flat) {
    ASSIGN_OR_RETURN(axis, normalise_axis(call, call.node().int_or("axis", 0), input->rank()));
  }
  Dims dims = flat ? Dims{input->size()} : input->dims();
  const auto at = static_cast<size_t>(axis);
  const int64_t row_count = dims[at];
  const int64_t width = row_count > 0 ? input->size() / row_count : 0;
  ASSIGN_OR_RETURN(const Tensor rows, axis_first(call, *input, axis));
  ASSIGN_OR_RETURN(const Groups groups, group_rows(call, rows, row_count, width, sorted == 1));

  dims[at] = groups.count;
  if (call.wants(0)) {
    ASSIGN_OR_RETURN(Tensor * output, call.output(0, input->dtype(), dims));
    int64_t outer = 1, inner = 1;
    for (size_t i = 0; i < at; ++i) outer *= dims[i];
    for (size_t i = at + 1; i < dims.size(); ++i) inner *= dims[i];
    const auto* first = groups.first.data<int64_t>();
    if (output->size() > 0)
      with_storage(input->dtype(), [&]<class T>() {
        const T* from = input->data<T>();
        T* to = output->mutable_data<T>();
        for (int64_t o = 0; o < outer; ++o)
          for (int64_t g = 0; g < groups.count; ++g)
            to = std::copy_n(from + (o * row_count + first[g]) * inner, inner, to);
      });
  }
  TRY(set_ints(call, 1, groups.first, groups.count));
  TRY(set_ints(call, 2, groups.of, row_count));
  return set_ints(call, 3, groups.sizes, groups.count);
}

}  // namespace hearth::operators
