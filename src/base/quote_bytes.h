// Bytes from outside, shown in an error: "…" with everything but printable ASCII and well-formed UTF-8 escaped as \xHH,
// cut after `limit` bytes. (fmt 9's `{:?}` aborts on some ill-formed UTF-8.)
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hearth {

std::string quote_bytes(std::string_view bytes, size_t limit = 80);

}  // namespace hearth
