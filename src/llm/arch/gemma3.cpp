// Gemma 3, text: Gemma 2 with norms on q and k instead of soft caps, five sliding layers to each full one, and a rotary
// base of its own for the sliding ones.
#include "llm/arch/architecture.h"

namespace hearth::llm {
namespace {

constexpr std::string_view kClasses[] = {"Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"};
constexpr int64_t kLayersOf27B = 62;

void set_family(ModelConfig& config) {
  config.qk_norm = true;
  config.sliding_pattern = 6;
  config.rope_theta = 1e6;
  config.rope_theta_local = 1e4;
}

void read_gguf(ConfigReader& keys, ModelConfig& config) {
  set_family(config);
  read_gemma_gguf(keys, config, kLayersOf27B);
  config.final_softcap = keys.number("final_logit_softcapping", 0);
  config.sliding_window = keys.integer("attention.sliding_window", 1024);
  config.rope_theta_local = keys.number("rope.freq_base_swa", config.rope_theta_local);
}

void read_json(ConfigReader& keys, ModelConfig& config) {
  set_family(config);
  // The multimodal files leave out what equals the defaults of the 4B model.
  config.vocab = 262208;
  config.heads = 8;
  config.kv_heads = 4;
  config.context_length = 131072;
  read_gemma_json(keys, config);
  config.attention_softcap = keys.number("attn_logit_softcapping", 0);
  config.final_softcap = keys.number("final_logit_softcapping", 0);
  config.sliding_pattern = keys.integer("sliding_window_pattern", keys.integer("_sliding_window_pattern", 6));
  // Transformers 5 has an object for each kind of layer instead of two keys.
  config.rope_theta = keys.number("rope_parameters.full_attention.rope_theta", config.rope_theta);
  config.rope_theta_local = keys.number(
      "rope_local_base_freq", keys.number("rope_parameters.sliding_attention.rope_theta", config.rope_theta_local));
  expect_layer_types(keys, config);
}

}  // namespace

constinit const Architecture kGemma3 = {
    .name = "gemma3",
    .gguf_name = "gemma3",
    .class_names = kClasses,
    .read_gguf = read_gguf,
    .read_json = read_json,
    .safetensors_names = kGemmaSafetensorsNames,
};

}  // namespace hearth::llm
