// Phi-3 and Phi-4-mini: fused q, k, v and fused gate, up; long contexts by per-pair rope factors.
#include "llm/arch/architecture.h"

namespace hearth::llm {
namespace {

constexpr std::string_view kClasses[] = {"Phi3ForCausalLM"};

constexpr WeightNames gguf_names() {
  WeightNames names = kGgufNames;
  names.qkv = "blk.{}.attn_qkv.weight";
  names.q = names.k = names.v = "";
  names.gate_up = "blk.{}.ffn_up.weight";
  names.gate = names.up = "";
  return names;
}

constexpr WeightNames safetensors_names() {
  WeightNames names = kSafetensorsNames;
  names.qkv = "model.layers.{}.self_attn.qkv_proj.weight";
  names.q = names.k = names.v = "";
  names.gate_up = "model.layers.{}.mlp.gate_up_proj.weight";
  names.gate = names.up = "";
  return names;
}

// A window as long as the context hides nothing.
void drop_idle_window(ModelConfig& config) {
  if (config.sliding_window >= config.context_length) config.sliding_window = 0;
}

void read_gguf(ConfigReader& keys, ModelConfig& config) {
  read_common_gguf(keys, config);
  config.sliding_window = keys.integer("attention.sliding_window", 0);
  drop_idle_window(config);
}

void read_json(ConfigReader& keys, ModelConfig& config) {
  read_common_json(keys, config);
  config.sliding_window = keys.integer("sliding_window", 0);
  drop_idle_window(config);
  expect_layer_types(keys, config);
}

}  // namespace

constinit const Architecture kPhi3 = {
    .name = "phi3",
    .gguf_name = "phi3",
    .class_names = kClasses,
    .read_gguf = read_gguf,
    .read_json = read_json,
    .gguf_names = gguf_names(),
    .safetensors_names = safetensors_names(),
};

}  // namespace hearth::llm
