// Qwen 2 and 2.5: biases on q, k and v.
#include "llm/arch/architecture.h"

namespace hearth::llm {
namespace {

constexpr std::string_view kClasses[] = {"Qwen2ForCausalLM"};

void read_gguf(ConfigReader& keys, ModelConfig& config) {
  config.qkv_bias = true;
  read_common_gguf(keys, config);
}

void read_json(ConfigReader& keys, ModelConfig& config) {
  config.qkv_bias = true;
  read_common_json(keys, config);
  expect_false(keys, "use_sliding_window");
  expect_layer_types(keys, config);
}

}  // namespace

constinit const Architecture kQwen2 = {
    .name = "qwen2",
    .gguf_name = "qwen2",
    .class_names = kClasses,
    .read_gguf = read_gguf,
    .read_json = read_json,
};

}  // namespace hearth::llm
