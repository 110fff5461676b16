// The text form of graphs: what parses is written and parses again; what the verifier accepts is inferred or refused.
#include <cstdint>
#include <string_view>

#include "graph/infer_shapes.h"
#include "graph/inline_functions.h"
#include "graph/text.h"
#include "graph/verify.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hearth::graph;
  auto model = parse_text({reinterpret_cast<const char*>(data), size});
  if (!model) return 0;
  const std::string text = to_text(*model, {.max_elements = INT64_MAX});
  const auto again = parse_text(text);
  if (!again || to_text(*again, {.max_elements = INT64_MAX}) != text) __builtin_trap();
  if (model->opsets.empty()) model->opsets = {{"", 21}, {"ai.onnx.ml", 5}, {"ai.onnx.preview.training", 1}};
  if (!inline_functions(*model) || !verify(*model)) return 0;
  if (infer_shapes(*model) && !verify(*model)) __builtin_trap();
  return 0;
}
