// Numbers as text and back, for Cast: the shortest text that reads back as the same number of its type, laid out as
// NumPy does it ("1.0", "1e-05", "nan", "True").
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tensor/dtype.h"

namespace hearth::operators {

// One element of any arithmetic type or bool.
std::string number_text(DType dtype, const void* element);

// The whole text is one number, white space around it and a sign in front allowed; "inf", "infinity" and "nan" in any
// case. nullopt: it is not.
std::optional<double> parse_double(std::string_view text);
std::optional<float> parse_float(std::string_view text);

// A whole number; also one written with a fraction, which is cut. `is_unsigned`: up to 2^64 - 1, returned as its bits.
std::optional<int64_t> parse_int(std::string_view text, bool is_unsigned);

}  // namespace hearth::operators
