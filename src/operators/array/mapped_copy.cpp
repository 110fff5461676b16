#include "operators/array/mapped_copy.h"

#include <algorithm>

#include "operators/element_storage.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

namespace {

constexpr int64_t kGrainElements = 1 << 14;

template <class T>
void copy_rows(const Tensor& input, std::span<const int64_t* const> maps, const T* outside, Tensor& output,
               int64_t begin, int64_t end) {
  const int last = output.rank() - 1;
  const Strides strides = dense_strides(input.dims());
  const int64_t columns = output.dim(last);
  const int64_t* map = maps[static_cast<size_t>(last)];
  int64_t at[HEARTH_MAX_RANK] = {};
  for (int64_t i = last - 1, rest = begin; i >= 0; --i) {
    at[i] = rest % output.dim(static_cast<int>(i));
    rest /= output.dim(static_cast<int>(i));
  }
  T* to = output.mutable_data<T>() + begin * columns;
  for (int64_t row = begin; row < end; ++row, to += columns) {
    const T* from = input.data<T>();
    bool inside = true;
    for (int i = 0; i < last; ++i) {
      const int64_t source = maps[static_cast<size_t>(i)][at[i]];
      inside &= source >= 0;
      from += std::max<int64_t>(source, 0) * strides[static_cast<size_t>(i)];
    }
    if (!inside) {
      std::fill_n(to, columns, *outside);
    } else if (outside == nullptr) {
      for (int64_t c = 0; c < columns; ++c) to[c] = from[map[c]];
    } else {
      for (int64_t c = 0; c < columns; ++c) to[c] = map[c] >= 0 ? from[map[c]] : *outside;
    }
    for (int i = last - 1; i >= 0 && ++at[i] == output.dim(i); --i) at[i] = 0;
  }
}

}  // namespace

void copy_mapped(Call& call, const Tensor& input, std::span<const int64_t* const> maps, const void* outside,
                 Tensor& output) {
  const int64_t columns = output.dims().back();
  with_storage(input.dtype(), [&]<class T>() {
    call.parallel(output.size() / columns, std::max<int64_t>(1, kGrainElements / columns),
                  [&](int64_t begin, int64_t end) {
                    copy_rows(input, maps, static_cast<const T*>(outside), output, begin, end);
                  });
  });
}

}  // namespace hearth::operators
