// One input as a model and as each kind of single value.
#include <span>

#include "import/onnx/read_onnx.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hearth::import;
  const auto bytes = std::as_bytes(std::span(data, size));
  if (const auto model = read_onnx(bytes, nullptr)) (void)model->clone();
  (void)read_onnx_tensor(bytes);
  (void)read_onnx_sequence(bytes);
  (void)read_onnx_optional(bytes);
  return 0;
}
