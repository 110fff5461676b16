// Llama 1 to 3, SmolLM2, TinyLlama and the many that copy them.
#include "llm/arch/architecture.h"

namespace hearth::llm {
namespace {

constexpr std::string_view kClasses[] = {"LlamaForCausalLM"};

void read_gguf(ConfigReader& keys, ModelConfig& config) {
  config.rope_interleaved = true;  // GGUF permutes the rows of q and k for it
  read_common_gguf(keys, config);
}

void read_json(ConfigReader& keys, ModelConfig& config) {
  read_common_json(keys, config);
  expect_false(keys, "mlp_bias");
}

}  // namespace

constinit const Architecture kLlama = {
    .name = "llama",
    .gguf_name = "llama",
    .class_names = kClasses,
    .read_gguf = read_gguf,
    .read_json = read_json,
};

}  // namespace hearth::llm
