#include <cmath>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "llm/random/random_weights.h"
#include "llm/random/small_tokenizer.h"
#include "tensor/quant_blocks.h"

namespace hearth::llm {
namespace {

using nlohmann::json;

std::string_view safetensors_name(DType type) {
  return type == DType::F32 ? "F32" : type == DType::F16 ? "F16" : type == DType::BF16 ? "BF16" : "";
}

json rope_scaling_of(const ModelConfig& c) {
  switch (c.rope_scaling) {
    case RopeScaling::None:
      return nullptr;
    case RopeScaling::Linear:
      return {{"rope_type", "linear"}, {"factor", c.rope_factor}};
    case RopeScaling::Yarn:
      return {{"rope_type", "yarn"},
              {"factor", c.rope_factor},
              {"original_max_position_embeddings", c.rope_original_context}};
    case RopeScaling::Llama3:
      return {{"rope_type", "llama3"},
              {"factor", c.rope_factor},
              {"low_freq_factor", c.rope_low_freq_factor},
              {"high_freq_factor", c.rope_high_freq_factor},
              {"original_max_position_embeddings", c.rope_original_context}};
    case RopeScaling::LongRope:
      return {{"type", "longrope"}, {"long_factor", c.rope_factors}, {"short_factor", c.rope_factors_short}};
  }
  return nullptr;
}

json config_json(const RandomModelOptions& options, const ModelConfig& c, const SmallTokenizer& t) {
  json out = {{"architectures", {find_architecture(c.architecture)->class_names.front()}},
              {"model_type", c.architecture},
              {"vocab_size", c.vocab},
              {"hidden_size", c.hidden},
              {"num_hidden_layers", c.layers},
              {"num_attention_heads", c.heads},
              {"num_key_value_heads", c.kv_heads},
              {"head_dim", c.head_dim},
              {"intermediate_size", c.ffn},
              {"max_position_embeddings", c.context_length},
              {"rms_norm_eps", c.norm_eps},
              {"rope_theta", c.rope_theta},
              {"tie_word_embeddings", c.tied_embedding},
              {"bos_token_id", t.bos},
              {"eos_token_id", t.eos},
              {"torch_dtype", options.dtypes.front() == DType::F32   ? "float32"
                              : options.dtypes.front() == DType::F16 ? "float16"
                                                                     : "bfloat16"}};
  out["rope_scaling"] = rope_scaling_of(c);
  if (c.rope_scaling == RopeScaling::LongRope) out["original_max_position_embeddings"] = c.rope_original_context;
  const bool gemma = c.activation == Activation::GeluTanh;
  out[gemma ? "hidden_activation" : "hidden_act"] = gemma ? "gelu_pytorch_tanh" : "silu";
  if (gemma) out["query_pre_attn_scalar"] = std::round(1 / (c.attention_scale * c.attention_scale));
  if (c.architecture == "gemma2") {
    out["attn_logit_softcapping"] = c.attention_softcap;
    out["final_logit_softcapping"] = c.final_softcap;
  }
  if (c.architecture == "gemma3") {
    out["rope_local_base_freq"] = c.rope_theta_local;
    out["sliding_window_pattern"] = c.sliding_pattern;
  }
  if (c.sliding_window > 0)
    out["sliding_window"] = c.sliding_window;
  else if (c.architecture == "mistral")
    out["sliding_window"] = nullptr;
  return out;
}

std::string shard_name(int index, int count) {
  return count == 1 ? "model.safetensors" : fmt::format("model-{:05}-of-{:05}.safetensors", index + 1, count);
}

// The header is padded with spaces so that the data is aligned, as the format's own writers do.
Result<> write_shard(const std::filesystem::path& path, const json& entries, const std::string& data) {
  std::string header = entries.dump();
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const uint64_t size = header.size();
  return write_file(path, std::string(reinterpret_cast<const char*>(&size), sizeof size) + header + data);
}

}  // namespace

Result<> write_random_safetensors(const RandomModelOptions& options, const ModelConfig& config,
                                  const std::filesystem::path& dir) {
  if (options.dtypes.size() != 1 || safetensors_name(options.dtypes.front()).empty())
    return fail(ErrorKind::Usage, "[random model] dtype; safetensors need one of f32, f16, bf16");
  const DType type = options.dtypes.front();
  const RandomTensors tensors(config, options.seed, false);
  const auto shards = static_cast<size_t>(options.shards);
  if (options.shards < 1 || shards > tensors.count())
    return fail(ErrorKind::Usage, "[random model] shards; got {}, need 1 to {}", options.shards, tensors.count());
  std::vector<json> entries(shards, json::object());
  std::vector<std::string> data(shards);
  json weight_map = json::object();
  for (size_t i = 0; i < tensors.count(); ++i) {
    const RandomTensor tensor = tensors.make(i);
    const size_t shard = i * shards / tensors.count();
    const auto elements = static_cast<int64_t>(tensor.values.size());
    const auto bytes = static_cast<size_t>(bytes_of(type, elements));
    const size_t begin = data[shard].size();
    data[shard].resize(begin + bytes);
    quantise_row(type, tensor.values.data(), data[shard].data() + begin, elements);
    entries[shard][tensor.name] = {
        {"dtype", safetensors_name(type)}, {"shape", tensor.dims}, {"data_offsets", {begin, begin + bytes}}};
    weight_map[tensor.name] = shard_name(static_cast<int>(shard), options.shards);
  }
  size_t total = 0;
  for (size_t i = 0; i < shards; ++i) {
    TRY(write_shard(dir / shard_name(static_cast<int>(i), options.shards), entries[i], data[i]));
    total += data[i].size();
  }
  if (shards > 1) {
    const json index = {{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}};
    TRY(write_file(dir / "model.safetensors.index.json", index.dump(1)));
  }
  const SmallTokenizer t = make_small_tokenizer(options.tokenizer == "spm");
  TRY(write_file(dir / "config.json", config_json(options, config, t).dump(1)));
  TRY(write_file(dir / "tokenizer.json", t.tokenizer_json()));
  const json tokenizer_config = {{"bos_token", t.tokens[t.bos]},
                                 {"eos_token", t.tokens[t.eos]},
                                 {"add_bos_token", false},
                                 {"chat_template", t.chat_template}};
  TRY(write_file(dir / "tokenizer_config.json", tokenizer_config.dump(1)));
  return write_file(dir / "generation_config.json", json{{"bos_token_id", t.bos}, {"eos_token_id", {t.eos}}}.dump(1));
}

}  // namespace hearth::llm
