// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace hearth::cli {

std::string bytes_text(uint64_t bytes);     // 98.4 MB (powers of 1000)
std::string duration_text(double seconds);  // 4s, 2m05s, 1h03m
}  // namespace hearth::cli
