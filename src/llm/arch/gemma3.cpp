// Gemma 3, text: Gemma 2 with norms on q and k instead of soft caps, five sliding layers to each full one, and a rotary
// base of its own for the sliding ones.
#include <cmath>

#include "llm/arch/architecture.h"

namespace hearth::llm {
namespace {

constexpr std::string_view kClasses[] = {"Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"};
constexpr int64_t kLayersOf27B = 62;

constexpr WeightNames safetensors_names() {
  WeightNames names = kSafetensorsNames;
  names.post_attn_norm = "model.layers.{}.post_attention_layernorm.weight";
  names.ffn_norm = "model.layers.{}.pre_feedforward_layernorm.weight";
  names.post_ffn_norm = "model.layers.{}.post_feedforward_layernorm.weight";
  return names;
}

void set_family(ModelConfig& config) {
  config.activation = Activation::GeluTanh;
  config.post_norms = true;
  config.qk_norm = true;
  config.tied_embedding = true;
  config.sliding_pattern = 6;
  config.rope_theta = 1e6;
  config.rope_theta_local = 1e4;
}

void read_gguf(ConfigReader& keys, ModelConfig& config) {
  set_family(config);
  read_common_gguf(keys, config);
  config.embedding_scale = std::sqrt(static_cast<double>(config.hidden));
  config.final_softcap = keys.number("final_logit_softcapping", 0);
  config.sliding_window = keys.integer("attention.sliding_window", 1024);
  config.rope_theta_local = keys.number("rope.freq_base_swa", config.rope_theta_local);
  // The converters write no scale: only the largest one differs from 1 / sqrt(head size).
  const double width = config.layers == kLayersOf27B && config.heads > 0
                           ? static_cast<double>(config.hidden) / static_cast<double>(config.heads)
                           : static_cast<double>(config.head_dim);
  config.attention_scale = keys.number("attention.scale", 1 / std::sqrt(width));
}

void read_json(ConfigReader& keys, ModelConfig& config) {
  set_family(config);
  config.norm_plus_one = true;
  // The multimodal files leave out what equals the defaults of the 4B model.
  config.vocab = 262208;
  config.heads = 8;
  config.kv_heads = 4;
  config.head_dim = 256;
  config.context_length = 131072;
  read_common_json(keys, config);
  expect_activation(keys, Activation::GeluTanh);
  expect_false(keys, "attention_bias");
  config.embedding_scale = std::sqrt(static_cast<double>(config.hidden));
  config.attention_softcap = keys.number("attn_logit_softcapping", 0);
  config.final_softcap = keys.number("final_logit_softcapping", 0);
  config.sliding_window = keys.integer("sliding_window", 4096);
  config.sliding_pattern = keys.integer("sliding_window_pattern", keys.integer("_sliding_window_pattern", 6));
  // Transformers 5 has an object for each kind of layer instead of two keys.
  config.rope_theta = keys.number("rope_parameters.full_attention.rope_theta", config.rope_theta);
  config.rope_theta_local = keys.number(
      "rope_local_base_freq", keys.number("rope_parameters.sliding_attention.rope_theta", config.rope_theta_local));
  config.attention_scale = 1 / std::sqrt(keys.number("query_pre_attn_scalar", 256));
  expect_layer_types(keys, config);
}

}  // namespace

constinit const Architecture kGemma3 = {
    .name = "gemma3",
    .gguf_name = "gemma3",
    .class_names = kClasses,
    .read_gguf = read_gguf,
    .read_json = read_json,
    .gguf_names = kGgufNames,
    .safetensors_names = safetensors_names(),
};

}  // namespace hearth::llm
