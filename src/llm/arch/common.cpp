#include <cmath>

#include "llm/arch/architecture.h"

namespace hearth::llm {
namespace {

// The key, or what the config has already, or an error.
void take(ConfigReader& keys, std::string_view key, int64_t& field) {
  field = field > 0 ? keys.integer(key, field) : keys.integer(key);
}

double yarn_attention_factor(double factor) {
  return factor > 1 ? 0.1 * std::log(factor) + 1 : 1;
}

double longrope_attention_factor(int64_t context, int64_t original) {
  const double factor = static_cast<double>(context) / static_cast<double>(original);
  return factor > 1 ? std::sqrt(1 + std::log(factor) / std::log(static_cast<double>(original))) : 1;
}

void read_gguf_scaling(ConfigReader& keys, ModelConfig& config) {
  const std::string_view type = keys.text("rope.scaling.type", keys.has("rope.scale_linear") ? "linear" : "none");
  config.rope_original_context = keys.integer("rope.scaling.original_context_length", 0);
  config.rope_attention_factor = keys.number("rope.scaling.attn_factor", 1);
  config.rope_factor = keys.number("rope.scaling.factor", keys.number("rope.scale_linear", 1));
  if (type == "linear") {
    config.rope_scaling = RopeScaling::Linear;
  } else if (type == "yarn") {
    config.rope_scaling = RopeScaling::Yarn;
    config.rope_beta_fast = keys.number("rope.scaling.yarn_beta_fast", 32);
    config.rope_beta_slow = keys.number("rope.scaling.yarn_beta_slow", 1);
    config.rope_attention_factor *= yarn_attention_factor(config.rope_factor);
  } else if (type != "none" && type != "longrope") {  // longrope shows by its tensors
    keys.refuse(ErrorKind::Unsupported, "rope.scaling.type",
                fmt::format("; got \"{}\", need none, linear, yarn or longrope", type));
  }
}

void read_json_scaling(ConfigReader& keys, ModelConfig& config) {
  // Transformers 5 renamed the object, and gives one to each kind of layer where their bases differ.
  const std::string group = keys.has("rope_parameters.full_attention.rope_type") ? "rope_parameters.full_attention."
                            : keys.has("rope_parameters.rope_type")              ? "rope_parameters."
                                                                                 : "rope_scaling.";
  const auto key = [&](std::string_view name) { return group + std::string(name); };
  const std::string_view type = keys.text(key("rope_type"), keys.text(key("type"), "default"));
  if (type == "default") return;
  config.rope_factor = keys.number(key("factor"), 1);
  config.rope_original_context = keys.integer(key("original_max_position_embeddings"),
                                              keys.integer("original_max_position_embeddings", config.context_length));
  if (type == "linear") {
    config.rope_scaling = RopeScaling::Linear;
  } else if (type == "llama3") {
    config.rope_scaling = RopeScaling::Llama3;
    config.rope_low_freq_factor = keys.number(key("low_freq_factor"));
    config.rope_high_freq_factor = keys.number(key("high_freq_factor"));
  } else if (type == "yarn") {
    config.rope_scaling = RopeScaling::Yarn;
    config.rope_beta_fast = keys.number(key("beta_fast"), 32);
    config.rope_beta_slow = keys.number(key("beta_slow"), 1);
    config.rope_attention_factor = keys.number(key("attention_factor"), yarn_attention_factor(config.rope_factor));
  } else if (type == "longrope" || type == "su") {
    config.rope_scaling = RopeScaling::LongRope;
    config.rope_factors = keys.numbers(key("long_factor"));
    config.rope_factors_short = keys.numbers(key("short_factor"));
    if (config.rope_original_context < 1) {
      keys.refuse(ErrorKind::Invalid, "original_max_position_embeddings", "; need a positive number");
      return;
    }
    config.rope_attention_factor = keys.number(
        key("attention_factor"), longrope_attention_factor(config.context_length, config.rope_original_context));
  } else {
    keys.refuse(ErrorKind::Unsupported, key("rope_type"),
                fmt::format("; got \"{}\", need default, linear, llama3, yarn or longrope", type));
  }
}

// "hidden_act" or "hidden_activation" must be one of the names of `wanted`.
void expect_activation(ConfigReader& keys, Activation wanted) {
  const std::string_view fallback = wanted == Activation::Silu ? "silu" : "gelu_pytorch_tanh";
  const std::string_view key = keys.has("hidden_activation") ? "hidden_activation" : "hidden_act";
  const std::string_view named = keys.text(key, fallback);
  // Gemma's first configs say "gelu" and mean the tanh form.
  const bool same = named == fallback || (wanted == Activation::Silu ? named == "swish" : named == "gelu");
  if (!same) keys.refuse(ErrorKind::Unsupported, key, fmt::format("; got \"{}\", need {}", named, fallback));
}

void set_gemma(ModelConfig& config) {
  config.activation = Activation::GeluTanh;
  config.post_norms = true;
  config.tied_embedding = true;
}

}  // namespace

void read_common_gguf(ConfigReader& keys, ModelConfig& config) {
  take(keys, "context_length", config.context_length);
  take(keys, "embedding_length", config.hidden);
  take(keys, "block_count", config.layers);
  take(keys, "feed_forward_length", config.ffn);
  take(keys, "attention.head_count", config.heads);
  config.kv_heads = keys.integer("attention.head_count_kv", config.heads);
  config.head_dim = keys.integer("attention.key_length", config.heads > 0 ? config.hidden / config.heads : 0);
  if (keys.integer("attention.value_length", config.head_dim) != config.head_dim)
    keys.refuse(ErrorKind::Unsupported, "attention.value_length", "differs from attention.key_length; need the same");
  config.norm_eps = keys.number("attention.layer_norm_rms_epsilon");
  config.rope_theta = keys.number("rope.freq_base", config.rope_theta);
  config.rope_dims = keys.integer("rope.dimension_count", config.head_dim);
  if (keys.integer("expert_count", 0) > 0)
    keys.refuse(ErrorKind::Unsupported, "expert_count", "is not 0; need a dense model, without experts");
  read_gguf_scaling(keys, config);
}

void read_common_json(ConfigReader& keys, ModelConfig& config) {
  take(keys, "vocab_size", config.vocab);
  take(keys, "hidden_size", config.hidden);
  take(keys, "num_hidden_layers", config.layers);
  take(keys, "num_attention_heads", config.heads);
  take(keys, "intermediate_size", config.ffn);
  take(keys, "max_position_embeddings", config.context_length);
  config.kv_heads = keys.integer("num_key_value_heads", config.kv_heads > 0 ? config.kv_heads : config.heads);
  config.head_dim = keys.integer("head_dim", config.head_dim > 0 ? config.head_dim
                                             : config.heads > 0  ? config.hidden / config.heads
                                                                 : 0);
  config.norm_eps = keys.number("rms_norm_eps", 1e-6);
  config.rope_theta = keys.number("rope_theta", keys.number("rope_parameters.rope_theta", config.rope_theta));
  const double rotated = keys.number("partial_rotary_factor", 1);
  if (!(rotated > 0 && rotated <= 1))
    keys.refuse(ErrorKind::Invalid, "partial_rotary_factor",
                fmt::format("; got {}, need more than 0, at most 1", rotated));
  else if (config.head_dim > 0 && config.head_dim < (int64_t{1} << 32))  // beyond: check() will refuse the head size
    config.rope_dims = static_cast<int64_t>(static_cast<double>(config.head_dim) * rotated);
  config.tied_embedding = keys.flag("tie_word_embeddings", config.tied_embedding);
  expect_activation(keys, config.activation);
  if (!config.qkv_bias) expect_false(keys, "attention_bias");
  read_json_scaling(keys, config);
}

void read_gemma_gguf(ConfigReader& keys, ModelConfig& config, int64_t layers_of_27b) {
  set_gemma(config);
  read_common_gguf(keys, config);
  config.embedding_scale = std::sqrt(static_cast<double>(config.hidden));
  // The converters write no scale: only the largest one differs from 1 / sqrt(head size).
  const double width = config.layers == layers_of_27b && config.heads > 0
                           ? static_cast<double>(config.hidden) / static_cast<double>(config.heads)
                           : static_cast<double>(config.head_dim);
  config.attention_scale = keys.number("attention.scale", 1 / std::sqrt(width));
}

void read_gemma_json(ConfigReader& keys, ModelConfig& config) {
  set_gemma(config);
  config.norm_plus_one = true;
  config.head_dim = 256;
  read_common_json(keys, config);
  config.embedding_scale = std::sqrt(static_cast<double>(config.hidden));
  config.sliding_window = keys.integer("sliding_window", 4096);
  config.attention_scale = 1 / std::sqrt(keys.number("query_pre_attn_scalar", 256));
}

void expect_layer_types(ConfigReader& keys, const ModelConfig& config) {
  const std::vector<std::string_view> types = keys.texts("layer_types");
  if (types.empty()) return;
  bool same = static_cast<int64_t>(types.size()) == config.layers;
  for (size_t i = 0; same && i < types.size(); ++i)
    same = types[i] == (config.slides(static_cast<int64_t>(i)) ? "sliding_attention" : "full_attention");
  if (!same)
    keys.refuse(ErrorKind::Unsupported, "layer_types", "is not the family's own order of sliding and full attention");
}

void expect_false(ConfigReader& keys, std::string_view key) {
  if (keys.flag(key, false)) keys.refuse(ErrorKind::Unsupported, key, "is true; need false for this architecture");
}

}  // namespace hearth::llm
