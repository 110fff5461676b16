// Gemma 2: norms before and after each block, soft caps on scores and logits, a window in every second layer.
#include <cmath>

#include "llm/arch/architecture.h"

namespace hearth::llm {
namespace {

constexpr std::string_view kClasses[] = {"Gemma2ForCausalLM"};
constexpr int64_t kLayersOf27B = 46;

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
  config.tied_embedding = true;
  config.sliding_pattern = 2;
}

void read_gguf(ConfigReader& keys, ModelConfig& config) {
  set_family(config);
  read_common_gguf(keys, config);
  config.embedding_scale = std::sqrt(static_cast<double>(config.hidden));
  config.attention_softcap = keys.number("attn_logit_softcapping", 50);
  config.final_softcap = keys.number("final_logit_softcapping", 30);
  config.sliding_window = keys.integer("attention.sliding_window", 4096);
  // The converters write no scale: only the largest one differs from 1 / sqrt(head size).
  const double width = config.layers == kLayersOf27B && config.heads > 0
                           ? static_cast<double>(config.hidden) / static_cast<double>(config.heads)
                           : static_cast<double>(config.head_dim);
  config.attention_scale = keys.number("attention.scale", 1 / std::sqrt(width));
}

void read_json(ConfigReader& keys, ModelConfig& config) {
  set_family(config);
  config.head_dim = 256;
  config.norm_plus_one = true;
  read_common_json(keys, config);
  expect_activation(keys, Activation::GeluTanh);
  expect_false(keys, "attention_bias");
  config.embedding_scale = std::sqrt(static_cast<double>(config.hidden));
  config.attention_softcap = keys.number("attn_logit_softcapping", keys.is_null("attn_logit_softcapping") ? 0 : 50);
  config.final_softcap = keys.number("final_logit_softcapping", keys.is_null("final_logit_softcapping") ? 0 : 30);
  config.sliding_window = keys.integer("sliding_window", 4096);
  config.attention_scale = 1 / std::sqrt(keys.number("query_pre_attn_scalar", 256));
  expect_layer_types(keys, config);
}

}  // namespace

constinit const Architecture kGemma2 = {
    .name = "gemma2",
    .gguf_name = "gemma2",
    .class_names = kClasses,
    .read_gguf = read_gguf,
    .read_json = read_json,
    .gguf_names = kGgufNames,
    .safetensors_names = safetensors_names(),
};

}  // namespace hearth::llm
