// The supported decoder families: for each, how its configuration is read from either kind of file and how its tensors
// are named there. The computation is shared (model.cpp) and driven by ModelConfig alone.
// A new one is a file beside this and a line in architecture.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "llm/metadata.h"
#include "llm/model_config.h"
#include "llm/model_file.h"

namespace hearth::llm {

// Tensor names; "{}" stands for the layer. Where a family has fused matrices, `qkv` / `gate_up` are set and stand for
// the rows of q, k, v (gate, up) one after the other. Biases have the name of their weight with ".bias" at its end.
struct WeightNames {
  std::string_view embedding, output_norm, output;
  std::string_view rope_factors, rope_factors_long, rope_factors_short;  // empty: never in the file
  std::string_view attn_norm, q, k, v, qkv, q_norm, k_norm, o, post_attn_norm;
  std::string_view ffn_norm, gate, up, gate_up, down, post_ffn_norm;
};

inline constexpr WeightNames kGgufNames = {
    .embedding = "token_embd.weight",
    .output_norm = "output_norm.weight",
    .output = "output.weight",
    .rope_factors = "rope_freqs.weight",
    .rope_factors_long = "rope_factors_long.weight",
    .rope_factors_short = "rope_factors_short.weight",
    .attn_norm = "blk.{}.attn_norm.weight",
    .q = "blk.{}.attn_q.weight",
    .k = "blk.{}.attn_k.weight",
    .v = "blk.{}.attn_v.weight",
    .qkv = "",
    .q_norm = "blk.{}.attn_q_norm.weight",
    .k_norm = "blk.{}.attn_k_norm.weight",
    .o = "blk.{}.attn_output.weight",
    .post_attn_norm = "blk.{}.post_attention_norm.weight",
    .ffn_norm = "blk.{}.ffn_norm.weight",
    .gate = "blk.{}.ffn_gate.weight",
    .up = "blk.{}.ffn_up.weight",
    .gate_up = "",
    .down = "blk.{}.ffn_down.weight",
    .post_ffn_norm = "blk.{}.post_ffw_norm.weight",
};

inline constexpr WeightNames kSafetensorsNames = {
    .embedding = "model.embed_tokens.weight",
    .output_norm = "model.norm.weight",
    .output = "lm_head.weight",
    .rope_factors = "",
    .rope_factors_long = "",
    .rope_factors_short = "",
    .attn_norm = "model.layers.{}.input_layernorm.weight",
    .q = "model.layers.{}.self_attn.q_proj.weight",
    .k = "model.layers.{}.self_attn.k_proj.weight",
    .v = "model.layers.{}.self_attn.v_proj.weight",
    .qkv = "",
    .q_norm = "model.layers.{}.self_attn.q_norm.weight",
    .k_norm = "model.layers.{}.self_attn.k_norm.weight",
    .o = "model.layers.{}.self_attn.o_proj.weight",
    .post_attn_norm = "",
    .ffn_norm = "model.layers.{}.post_attention_layernorm.weight",
    .gate = "model.layers.{}.mlp.gate_proj.weight",
    .up = "model.layers.{}.mlp.up_proj.weight",
    .gate_up = "",
    .down = "model.layers.{}.mlp.down_proj.weight",
    .post_ffn_norm = "",
};

inline constexpr WeightNames kGemmaSafetensorsNames = [] {  // a norm before and after each block
  WeightNames names = kSafetensorsNames;
  names.post_attn_norm = "model.layers.{}.post_attention_layernorm.weight";
  names.ffn_norm = "model.layers.{}.pre_feedforward_layernorm.weight";
  names.post_ffn_norm = "model.layers.{}.post_feedforward_layernorm.weight";
  return names;
}();

struct Architecture {
  std::string_view name;                          // ours, as in ModelConfig::architecture
  std::string_view gguf_name;                     // general.architecture, which is also the prefix of its keys
  std::span<const std::string_view> class_names;  // config.json "architectures"
  // Fill a default ModelConfig; what is wrong is said to the reader. Vocabulary, tied_embedding and rope factors that
  // are tensors are read from the GGUF file's tensors afterwards.
  void (*read_gguf)(ConfigReader& keys, ModelConfig& config);
  void (*read_json)(ConfigReader& keys, ModelConfig& config);
  WeightNames gguf_names = kGgufNames, safetensors_names = kSafetensorsNames;
};

extern const Architecture kLlama, kMistral, kQwen2, kQwen3, kGemma2, kGemma3, kPhi3;

std::span<const Architecture* const> architectures();
std::string supported_architectures();  // "gemma2, gemma3, …" for messages
// By ModelConfig::architecture; never null for a config that a ModelFile gave.
const Architecture* find_architecture(std::string_view name);

// The configuration of a file's metadata, before its tensors are looked at. `check` is the caller's.
Result<ModelConfig> read_gguf_config(const Metadata& metadata);
Result<ModelConfig> read_json_config(const Metadata& metadata);  // config.json, flattened

// "blk.{}.x" with the layer's number.
std::string layer_name(std::string_view pattern, int64_t layer);
std::string bias_name(std::string_view weight_name);
// Also looks below the prefixes that text models have inside multimodal files. nullptr when absent.
const FileTensor* find_weight(const ModelFile& file, std::string_view name);

// ---- shared parts of the readers (common.cpp)

// Sizes, norm, rotary embedding and its scaling. A field that is already set (> 0) is the fallback for a missing key.
// From JSON also that the activation is the config's and that there are no biases it does not have.
void read_common_gguf(ConfigReader& keys, ModelConfig& config);
void read_common_json(ConfigReader& keys, ModelConfig& config);
// The same and what Gemma 2 and 3 share: call these instead. `layers_of_27b` tells the model whose attention scale is
// no function of its head size.
void read_gemma_gguf(ConfigReader& keys, ModelConfig& config, int64_t layers_of_27b);
void read_gemma_json(ConfigReader& keys, ModelConfig& config);
// "layer_types" must agree with what the config says about sliding layers.
void expect_layer_types(ConfigReader& keys, const ModelConfig& config);
// A flag that must be false (or absent), because it adds weights we do not have.
void expect_false(ConfigReader& keys, std::string_view key);

}  // namespace hearth::llm
