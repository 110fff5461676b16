// NumPy's .npy files: one array each. Format: NumPy Enhancement Proposal 1, versions 1 to 3.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "tensor/value.h"

namespace hearth::flame {

// Little-endian, C or Fortran order; bool, integers, f16, f32, f64, complex. Object arrays are refused: they are
// pickles.
Result<Tensor> read_npy(const std::filesystem::path& path);
// Types that NumPy lacks (bfloat16, 8-bit floats, 4-bit integers, strings) are refused.
Result<> write_npy(const std::filesystem::path& path, const Tensor& tensor);

}  // namespace hearth::flame
