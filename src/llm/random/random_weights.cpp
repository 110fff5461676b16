#include "llm/random/random_weights.h"

#include <cmath>
#include <numbers>

#include "tensor/checksum.h"

namespace hearth::llm {
namespace {

// Integer arithmetic and exact products alone: the same numbers on every machine.
class Stream {
 public:
  explicit Stream(uint64_t seed) : state_(seed) {}
  double uniform() {  // in [-1, 1), a multiple of 2^-23
    state_ += 0x9E3779B97F4A7C15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return static_cast<double>(z >> 40) * 0x1p-23 - 1.0;
  }
  double bell() { return (uniform() + uniform() + uniform() + uniform()) * 0.8660254037844386; }  // variance 1

 private:
  uint64_t state_;
};

// The row of the split halves' order that stands at `row` of GGUF's order, where the two of a pair are neighbours.
int64_t source_row(int64_t row, int64_t head) {
  const int64_t base = row / head * head, inside = row % head;
  return base + (inside % 2) * (head / 2) + inside / 2;
}

}  // namespace

Result<ModelConfig> random_config(const RandomModelOptions& o, int64_t token_count) {
  if (find_architecture(o.architecture) == nullptr)
    return fail(ErrorKind::Usage, "[random model] architecture; got \"{}\", need one of {}", o.architecture,
                supported_architectures());
  ModelConfig c;
  c.architecture = o.architecture;
  c.name = "random " + o.architecture;
  c.vocab = o.vocab > 0 ? o.vocab : token_count;
  c.hidden = o.hidden;
  c.layers = o.layers;
  c.heads = o.heads;
  c.kv_heads = o.kv_heads;
  c.head_dim = o.head_dim;
  c.rope_dims = o.head_dim;
  c.ffn = o.ffn;
  c.context_length = o.context;
  c.tied_embedding = o.tied;
  c.norm_eps = 1e-6;
  c.sliding_window = o.window;
  const bool gemma = o.architecture == "gemma2" || o.architecture == "gemma3";
  if (gemma) {
    c.tied_embedding = true;
    c.post_norms = true;
    c.activation = Activation::GeluTanh;
    c.norm_plus_one = o.format == "safetensors";
    c.sliding_window = o.window > 0 ? o.window : 32;
    c.embedding_scale = std::sqrt(static_cast<double>(c.hidden));
    c.attention_scale = 1 / std::sqrt(1.5 * static_cast<double>(c.head_dim));  // not the usual one, so that it shows
  } else if (o.window > 0 && o.architecture != "mistral" && o.architecture != "phi3") {
    return fail(ErrorKind::Usage, "[random model] window; {} has none", o.architecture);
  }
  if (o.architecture == "mistral" && o.window == 0 && o.format == "gguf")
    return fail(ErrorKind::Usage, "[random model] window; a Mistral without one is a Llama in GGUF, need a window");
  if (o.architecture == "gemma2") {
    c.sliding_pattern = 2;
    c.attention_softcap = 50;
    c.final_softcap = 30;
  }
  if (o.architecture == "gemma3") {
    c.sliding_pattern = 6;
    c.rope_theta = 1e6;
    c.rope_theta_local = 1e4;
  }
  c.qk_norm = o.architecture == "qwen3" || o.architecture == "gemma3";
  c.qkv_bias = o.architecture == "qwen2";
  c.rope_interleaved = o.format == "gguf" && (o.architecture == "llama" || o.architecture == "mistral");

  if (o.rope == "linear") {
    c.rope_scaling = RopeScaling::Linear;
    c.rope_factor = 4;
  } else if (o.rope == "yarn") {
    c.rope_scaling = RopeScaling::Yarn;
    c.rope_factor = 4;
    c.rope_original_context = o.context / 4;
    c.rope_attention_factor = 0.1 * std::log(4.0) + 1;
  } else if (o.rope == "llama3" && o.architecture == "llama") {
    c.rope_scaling = RopeScaling::Llama3;
    c.rope_factor = 8;
    c.rope_low_freq_factor = 1;
    c.rope_high_freq_factor = 4;
    c.rope_original_context = o.context / 4;
  } else if (o.rope == "longrope" && o.architecture == "phi3") {
    c.rope_scaling = RopeScaling::LongRope;
    c.rope_original_context = o.context / 4;
    c.rope_attention_factor = std::sqrt(1 + std::log(4.0) / std::log(static_cast<double>(c.rope_original_context)));
    for (int64_t j = 0; j < c.rope_dims / 2; ++j) {
      c.rope_factors_short.push_back(1.0f + 0.0625f * static_cast<float>(j % 4));
      c.rope_factors.push_back(1.0f + 0.25f * static_cast<float>(j));
    }
  } else if (o.rope != "none") {
    return fail(ErrorKind::Usage,
                "[random model] rope; got \"{}\", need none, linear, yarn, llama3 (llama) or longrope (phi3)", o.rope);
  }
  if (c.vocab < token_count)
    return fail(ErrorKind::Usage, "[random model] vocabulary; got {}, need at least the tokenizer's {}", c.vocab,
                token_count);
  TRY(check(c));
  return c;
}

std::vector<float> llama3_factors(const ModelConfig& c) {
  std::vector<float> factors;
  for (int64_t j = 0; j < c.rope_dims / 2; ++j) {
    const double freq = std::pow(c.rope_theta, -2.0 * static_cast<double>(j) / static_cast<double>(c.rope_dims));
    const double wave = 2 * std::numbers::pi / freq, original = static_cast<double>(c.rope_original_context);
    if (wave < original / c.rope_high_freq_factor) {
      factors.push_back(1);
    } else if (wave > original / c.rope_low_freq_factor) {
      factors.push_back(static_cast<float>(c.rope_factor));
    } else {
      const double smooth =
          (original / wave - c.rope_low_freq_factor) / (c.rope_high_freq_factor - c.rope_low_freq_factor);
      factors.push_back(static_cast<float>(1 / ((1 - smooth) / c.rope_factor + smooth)));
    }
  }
  return factors;
}

RandomTensors::RandomTensors(const ModelConfig& config, uint64_t seed, bool gguf)
    : config_(config),
      names_(gguf ? find_architecture(config.architecture)->gguf_names
                  : find_architecture(config.architecture)->safetensors_names),
      seed_(seed) {
  const double width = static_cast<double>(config.hidden);
  // Rows of unit length would give logits of variance 1; 2 makes distributions that have something to say.
  add_matrix(std::string(names_.embedding), {{"embedding", config.vocab}}, config.hidden, 2 / std::sqrt(width));
  for (int64_t layer = 0; layer < config.layers; ++layer) add_layer(layer);
  add_norm(names_.output_norm, 0, "output_norm", config.hidden);
  if (!config.tied_embedding)
    add_matrix(std::string(names_.output), {{"output", config.vocab}}, config.hidden, 2 / std::sqrt(width));
  if (!gguf) return;
  const auto pairs = config.rope_dims / 2;
  if (config.rope_scaling == RopeScaling::Llama3)
    fixed_.push_back({std::string(names_.rope_factors), {pairs}, llama3_factors(config)});
  if (config.rope_scaling == RopeScaling::LongRope) {
    fixed_.push_back({std::string(names_.rope_factors_long), {pairs}, config.rope_factors});
    fixed_.push_back({std::string(names_.rope_factors_short), {pairs}, config.rope_factors_short});
  }
  for (const RandomTensor& tensor : fixed_) plans_.push_back({tensor.name, {}, 0, 0, 0});
}

void RandomTensors::add_matrix(std::string name, std::vector<Part> parts, int64_t columns, double spread) {
  plans_.push_back({std::move(name), std::move(parts), columns, spread, 0});
}

void RandomTensors::add_vector(std::string name, std::string key, int64_t size, double spread, double centre) {
  plans_.push_back({std::move(name), {{std::move(key), size}}, 0, spread, centre});
}

void RandomTensors::add_norm(std::string_view pattern, int64_t layer, std::string key, int64_t size) {
  add_vector(layer_name(pattern, layer), std::move(key), size, 0.25, config_.norm_plus_one ? 0 : 1);
}

void RandomTensors::add_layer(int64_t layer) {
  const auto key = [&](std::string_view noun) { return fmt::format("{}.{}", layer, noun); };
  const auto name = [&](std::string_view pattern) { return layer_name(pattern, layer); };
  const double width = static_cast<double>(config_.hidden);
  const int64_t q_rows = config_.heads * config_.head_dim;
  add_norm(names_.attn_norm, layer, key("attn_norm"), config_.hidden);
  add_qkv(layer);
  add_matrix(name(names_.o), {{key("o"), config_.hidden}}, q_rows, 1 / std::sqrt(static_cast<double>(q_rows)));
  if (config_.post_norms) add_norm(names_.post_attn_norm, layer, key("post_attn_norm"), config_.hidden);
  add_norm(names_.ffn_norm, layer, key("ffn_norm"), config_.hidden);
  const Part gate{key("gate"), config_.ffn}, up{key("up"), config_.ffn};
  if (names_.gate_up.empty()) {
    add_matrix(name(names_.gate), {gate}, config_.hidden, 1 / std::sqrt(width));
    add_matrix(name(names_.up), {up}, config_.hidden, 1 / std::sqrt(width));
  } else {
    add_matrix(name(names_.gate_up), {gate, up}, config_.hidden, 1 / std::sqrt(width));
  }
  add_matrix(name(names_.down), {{key("down"), config_.hidden}}, config_.ffn,
             1 / std::sqrt(static_cast<double>(config_.ffn)));
  if (config_.post_norms) add_norm(names_.post_ffn_norm, layer, key("post_ffn_norm"), config_.hidden);
}

void RandomTensors::add_qkv(int64_t layer) {
  const auto key = [&](std::string_view noun) { return fmt::format("{}.{}", layer, noun); };
  const auto name = [&](std::string_view pattern) { return layer_name(pattern, layer); };
  const int64_t turned = config_.rope_interleaved ? config_.head_dim : 0;
  const Part q{key("q"), config_.heads * config_.head_dim, turned},
      k{key("k"), config_.kv_heads * config_.head_dim, turned}, v{key("v"), config_.kv_heads * config_.head_dim};
  const double spread = 1 / std::sqrt(static_cast<double>(config_.hidden));
  if (names_.qkv.empty()) {
    add_matrix(name(names_.q), {q}, config_.hidden, spread);
    add_matrix(name(names_.k), {k}, config_.hidden, spread);
    add_matrix(name(names_.v), {v}, config_.hidden, spread);
  } else {
    add_matrix(name(names_.qkv), {q, k, v}, config_.hidden, spread);
  }
  if (config_.qkv_bias) {
    add_vector(bias_name(name(names_.q)), key("q_bias"), q.rows, 0.25, 0);
    add_vector(bias_name(name(names_.k)), key("k_bias"), k.rows, 0.25, 0);
    add_vector(bias_name(name(names_.v)), key("v_bias"), v.rows, 0.25, 0);
  }
  if (config_.qk_norm) {
    add_norm(names_.q_norm, layer, key("q_norm"), config_.head_dim);
    add_norm(names_.k_norm, layer, key("k_norm"), config_.head_dim);
  }
}

RandomTensor RandomTensors::make(size_t index) const {
  const size_t planned = plans_.size() - fixed_.size();
  if (index >= planned) return fixed_[index - planned];
  const Plan& plan = plans_[index];
  RandomTensor tensor{plan.name, {}, {}, plan.columns > 0};
  int64_t rows = 0;
  for (const Part& part : plan.parts) rows += part.rows;
  tensor.dims = tensor.matrix ? std::vector{rows, plan.columns} : std::vector{rows};
  for (const Part& part : plan.parts) {
    Stream stream(checksum(part.key, seed_));
    const int64_t columns = tensor.matrix ? plan.columns : 1;
    std::vector<float> values(static_cast<size_t>(part.rows * columns));
    for (float& x : values) {
      // Vectors take values that f32 holds exactly with and without Gemma's 1.
      x = tensor.matrix ? static_cast<float>(stream.bell() * plan.spread)
                        : static_cast<float>(plan.centre + std::floor(stream.uniform() * plan.spread * 4096) / 4096);
    }
    for (int64_t row = 0; row < part.rows; ++row) {
      const int64_t from = part.permuted_head > 0 ? source_row(row, part.permuted_head) : row;
      const auto begin = values.begin() + from * columns;
      tensor.values.insert(tensor.values.end(), begin, begin + columns);
    }
  }
  return tensor;
}

}  // namespace hearth::llm
