// The input is config.json, a zero byte, and model.safetensors.
#include <algorithm>

#include "load_model.h"
#include "scratch_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const uint8_t* const end = data + size;
  const uint8_t* const cut = std::find(data, end, uint8_t{0});
  hearth::fuzz::put("config.json", data, static_cast<size_t>(cut - data));
  const uint8_t* const rest = cut == end ? end : cut + 1;
  hearth::fuzz::put("model.safetensors", rest, static_cast<size_t>(end - rest));
  hearth::fuzz::load_model(hearth::fuzz::scratch_folder().path());
  return 0;
}
