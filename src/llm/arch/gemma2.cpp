// Gemma 2: norms before and after each block, soft caps on scores and logits, a window in every second layer.
#include "llm/arch/architecture.h"

namespace hearth::llm {
namespace {

constexpr std::string_view kClasses[] = {"Gemma2ForCausalLM"};
constexpr int64_t kLayersOf27B = 46;

void read_gguf(ConfigReader& keys, ModelConfig& config) {
  config.sliding_pattern = 2;
  read_gemma_gguf(keys, config, kLayersOf27B);
  config.attention_softcap = keys.number("attn_logit_softcapping", 50);
  config.final_softcap = keys.number("final_logit_softcapping", 30);
  config.sliding_window = keys.integer("attention.sliding_window", 4096);
}

void read_json(ConfigReader& keys, ModelConfig& config) {
  config.sliding_pattern = 2;
  read_gemma_json(keys, config);
  config.attention_softcap = keys.number("attn_logit_softcapping", keys.is_null("attn_logit_softcapping") ? 0 : 50);
  config.final_softcap = keys.number("final_logit_softcapping", keys.is_null("final_logit_softcapping") ? 0 : 30);
  expect_layer_types(keys, config);
}

}  // namespace

constinit const Architecture kGemma2 = {
    .name = "gemma2",
    .gguf_name = "gemma2",
    .class_names = kClasses,
    .read_gguf = read_gguf,
    .read_json = read_json,
    .safetensors_names = kGemmaSafetensorsNames,
};

}  // namespace hearth::llm
