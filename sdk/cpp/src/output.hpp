// Writing to the streams of the guest.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth {

// fd 1: standard output, 2: standard error; at once. False when nobody reads any more.
bool write_stream(uint32_t fd, const uint8_t* data, size_t size);

}  // namespace hearth
