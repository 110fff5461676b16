#include "load_model.h"
#include "scratch_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hearth::fuzz::load_model(hearth::fuzz::put("model.gguf", data, size));
  return 0;
}
