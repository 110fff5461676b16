#include "operators/element_storage.h"

#include <algorithm>

namespace hearth::operators {

void fill(Tensor& tensor, const void* value) {
  with_storage(tensor.dtype(), [&]<class T>() {
    T* data = tensor.mutable_data<T>();
    std::fill_n(data, tensor.size(), value != nullptr ? *static_cast<const T*>(value) : T{});
  });
}

}  // namespace hearth::operators
