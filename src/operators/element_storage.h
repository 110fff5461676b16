// Elements that are only moved: a copying kernel needs one instance a width, and one for strings.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "tensor/element.h"
#include "tensor/value.h"

namespace hearth::operators {

// with_storage(dtype, [&]<class T>() { … }): T is std::string for strings, else a type as wide as an element. T{} is
// the zero of every type (strings: empty; F8E8M0 has none: its least value).
template <class Function>
void with_storage(DType dtype, Function&& function) {
  if (dtype == DType::String)
    function.template operator()<std::string>();
  else
    CHECK(with_width(info(dtype).block_bytes, std::forward<Function>(function)));
}

// Every element becomes `*value`, one element of the tensor's type; the zero of the type when null.
void fill(Tensor& tensor, const void* value = nullptr);

}  // namespace hearth::operators
