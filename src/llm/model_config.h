// The shape of a decoder, as every supported architecture fills it in. Plain data, checked once on load:
// after that all counts are positive, within the limits of model_config.cpp and consistent with each other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace hearth::llm {

enum class RopeScaling : uint8_t { None, Linear, Llama3, Yarn, LongRope };
enum class Activation : uint8_t { Silu, GeluTanh };

struct ModelConfig {
  std::string architecture;  // our name: llama, qwen2, qwen3, gemma2, gemma3, mistral, phi3
  std::string name;          // the model's own, for people

  int64_t vocab = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, ffn = 0;
  int64_t context_length = 0;  // tokens the model was trained for
  double norm_eps = 1e-5;

  // Rotary embedding
  double rope_theta = 10000.0;
  double rope_theta_local = 0;    // Gemma 3: base of the sliding layers; 0 = same
  int64_t rope_dims = 0;          // of each head, the first rope_dims are rotated (even)
  bool rope_interleaved = false;  // pairs (2j, 2j+1): Llama weights as GGUF permutes them
  RopeScaling rope_scaling = RopeScaling::None;
  double rope_factor = 1.0, rope_low_freq_factor = 1.0, rope_high_freq_factor = 4.0;
  double rope_beta_fast = 32.0, rope_beta_slow = 1.0;  // Yarn: full turns within the original context
  double rope_attention_factor = 1.0;                  // cos and sin are multiplied by it
  int64_t rope_original_context = 0;
  std::vector<float> rope_factors;  // per pair divisors, when the file gives them (Llama 3 GGUF, LongRope); else empty
  std::vector<float> rope_factors_short;  // LongRope: those for contexts up to rope_original_context

  // Attention
  double attention_scale = 0;    // 0: 1 / sqrt(head_dim)
  double attention_softcap = 0;  // Gemma 2
  int64_t sliding_window = 0;    // 0: full attention everywhere
  int64_t sliding_pattern =
      0;                  // 0: every layer slides; n: layers with (layer + 1) % n != 0 slide (Gemma 2: 2, Gemma 3: 6)
  bool qkv_bias = false;  // Qwen 2
  bool qk_norm = false;   // Qwen 3, Gemma 3: RMS norm of each head of q and k before rope

  // Blocks
  Activation activation = Activation::Silu;
  bool norm_plus_one = false;  // Gemma in safetensors: weights are stored less one (GGUF files have one added already)
  bool post_norms = false;     // Gemma 2/3: norms after attention and after the feed-forward as well
  double embedding_scale = 1.0;  // Gemma: sqrt(hidden)
  double final_softcap = 0;      // Gemma 2: logits = cap * tanh(logits / cap)
  bool tied_embedding = false;   // the output matrix is the embedding

  bool slides(int64_t layer) const {
    return sliding_window > 0 && (sliding_pattern == 0 || (layer + 1) % sliding_pattern != 0);
  }
};

// Every count positive, within the limits of model_config.cpp and consistent; else Invalid or Unsupported, naming the
// value.
Result<> check(const ModelConfig& config);

// Angle per position of each rotated pair (rope_dims / 2 of them): theta and scaling of a layer that slides or not.
// `context` tokens are what one sequence may have; LongRope chooses its factors by it.
std::vector<float> inverse_frequencies(const ModelConfig& config, bool sliding_layer, int64_t context);

}  // namespace hearth::llm
