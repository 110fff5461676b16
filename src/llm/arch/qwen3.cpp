// Qwen 3 (dense): a norm on each head of q and k, no biases, a head size of its own.
#include "llm/arch/architecture.h"

namespace hearth::llm {
namespace {

constexpr std::string_view kClasses[] = {"Qwen3ForCausalLM"};

void read_gguf(ConfigReader& keys, ModelConfig& config) {
  config.qk_norm = true;
  read_common_gguf(keys, config);
}

void read_json(ConfigReader& keys, ModelConfig& config) {
  config.qk_norm = true;
  config.head_dim = 128;
  read_common_json(keys, config);
  expect_false(keys, "use_sliding_window");
  expect_layer_types(keys, config);
}

}  // namespace

constinit const Architecture kQwen3 = {
    .name = "qwen3",
    .gguf_name = "qwen3",
    .class_names = kClasses,
    .read_gguf = read_gguf,
    .read_json = read_json,
};

}  // namespace hearth::llm
