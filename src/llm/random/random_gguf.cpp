#include <cstring>

#include "base/file.h"
#include "llm/gguf_file.h"
#include "llm/random/random_weights.h"
#include "llm/random/small_tokenizer.h"
#include "tensor/quant_blocks.h"

namespace hearth::llm {
namespace {

constexpr uint64_t kAlignment = 32;

// GGUF's metadata value types that we write.
enum class ValueType : uint32_t { U32 = 4, I32 = 5, F32 = 6, Bool = 7, String = 8, Array = 9 };

class GgufWriter {
 public:
  void put(std::string_view key, uint32_t value) { head(key, ValueType::U32), raw(value); }
  void put(std::string_view key, float value) { head(key, ValueType::F32), raw(value); }
  void put(std::string_view key, bool value) { head(key, ValueType::Bool), raw(static_cast<uint8_t>(value)); }
  void put(std::string_view key, std::string_view value) { head(key, ValueType::String), text(value); }
  void put(std::string_view key, const std::vector<std::string>& values) {
    array(key, ValueType::String, values.size());
    for (const std::string& value : values) text(value);
  }
  void put(std::string_view key, const std::vector<float>& values) {
    array(key, ValueType::F32, values.size());
    for (const float value : values) raw(value);
  }
  void put(std::string_view key, const std::vector<int32_t>& values) {
    array(key, ValueType::I32, values.size());
    for (const int32_t value : values) raw(value);
  }
  void put_size(std::string_view key, int64_t value) { put(key, static_cast<uint32_t>(value)); }
  void put_number(std::string_view key, double value) { put(key, static_cast<float>(value)); }

  void add(std::string_view name, std::span<const int64_t> dims, DType type, std::string bytes) {
    append_text(table_, name);
    append(table_, static_cast<uint32_t>(dims.size()));
    for (size_t i = dims.size(); i-- > 0;) append(table_, static_cast<uint64_t>(dims[i]));
    append(table_, *gguf_type_number(type));
    append(table_, static_cast<uint64_t>(data_.size()));
    data_ += bytes;
    data_.resize((data_.size() + kAlignment - 1) / kAlignment * kAlignment);
    ++tensors_;
  }

  Result<> write(const std::filesystem::path& path) const {
    std::string file = "GGUF";
    append(file, uint32_t{3});
    append(file, tensors_);
    append(file, keys_);
    file += metadata_ + table_;
    file.resize((file.size() + kAlignment - 1) / kAlignment * kAlignment);
    return write_file(path, file + data_);
  }

 private:
  template <class T>
  static void append(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static void append_text(std::string& out, std::string_view value) {
    append(out, static_cast<uint64_t>(value.size()));
    out += value;
  }
  template <class T>
  void raw(T value) {
    append(metadata_, value);
  }
  void text(std::string_view value) { append_text(metadata_, value); }
  void head(std::string_view key, ValueType type) {
    text(key);
    raw(type);
    ++keys_;
  }
  void array(std::string_view key, ValueType type, size_t count) {
    head(key, ValueType::Array);
    raw(type);
    raw(static_cast<uint64_t>(count));
  }
  std::string metadata_, table_, data_;
  uint64_t keys_ = 0, tensors_ = 0;
};

void put_config(GgufWriter& out, const ModelConfig& c) {
  const std::string arch(find_architecture(c.architecture)->gguf_name);
  const auto key = [&](std::string_view name) { return arch + "." + std::string(name); };
  out.put("general.architecture", std::string_view(arch));
  out.put("general.name", std::string_view(c.name));
  out.put_size("general.alignment", kAlignment);
  out.put_size(key("context_length"), c.context_length);
  out.put_size(key("embedding_length"), c.hidden);
  out.put_size(key("block_count"), c.layers);
  out.put_size(key("feed_forward_length"), c.ffn);
  out.put_size(key("attention.head_count"), c.heads);
  out.put_size(key("attention.head_count_kv"), c.kv_heads);
  out.put_size(key("attention.key_length"), c.head_dim);
  out.put_size(key("attention.value_length"), c.head_dim);
  out.put_number(key("attention.layer_norm_rms_epsilon"), c.norm_eps);
  out.put_number(key("rope.freq_base"), c.rope_theta);
  out.put_size(key("rope.dimension_count"), c.rope_dims);
  if (c.rope_scaling == RopeScaling::Linear || c.rope_scaling == RopeScaling::Yarn) {
    out.put(key("rope.scaling.type"), std::string_view(c.rope_scaling == RopeScaling::Linear ? "linear" : "yarn"));
    out.put_number(key("rope.scaling.factor"), c.rope_factor);
  }
  if (c.rope_original_context > 0) out.put_size(key("rope.scaling.original_context_length"), c.rope_original_context);
  if (c.rope_scaling == RopeScaling::LongRope) out.put_number(key("rope.scaling.attn_factor"), c.rope_attention_factor);
  if (c.sliding_window > 0) out.put_size(key("attention.sliding_window"), c.sliding_window);
  if (c.attention_softcap > 0) out.put_number(key("attn_logit_softcapping"), c.attention_softcap);
  if (c.final_softcap > 0) out.put_number(key("final_logit_softcapping"), c.final_softcap);
  if (c.attention_scale > 0) out.put_number(key("attention.scale"), c.attention_scale);
}

void put_tokenizer(GgufWriter& out, const SmallTokenizer& t) {
  out.put("tokenizer.ggml.model", std::string_view(t.spm ? "llama" : "gpt2"));
  if (!t.spm) out.put("tokenizer.ggml.pre", std::string_view(t.pre));
  out.put("tokenizer.ggml.tokens", t.tokens);
  out.put("tokenizer.ggml.token_type", t.types);
  if (t.spm) {
    out.put("tokenizer.ggml.scores", t.scores);
  } else {
    std::vector<std::string> merges;
    for (const auto& [left, right] : t.merges) merges.push_back(left + " " + right);
    out.put("tokenizer.ggml.merges", merges);
  }
  out.put("tokenizer.ggml.bos_token_id", t.bos);
  out.put("tokenizer.ggml.eos_token_id", t.eos);
  out.put("tokenizer.ggml.unknown_token_id", t.unk);
  out.put("tokenizer.ggml.add_bos_token", false);
  out.put("tokenizer.chat_template", std::string_view(t.chat_template));
}

}  // namespace

Result<> write_random_gguf(const RandomModelOptions& options, const ModelConfig& config,
                           const std::filesystem::path& path) {
  GgufWriter out;
  put_config(out, config);
  put_tokenizer(out, make_small_tokenizer(options.tokenizer == "spm"));
  const RandomTensors tensors(config, options.seed, true);
  size_t matrices = 0;
  for (size_t i = 0; i < tensors.count(); ++i) {
    const RandomTensor tensor = tensors.make(i);
    const DType type = tensor.matrix ? options.dtypes[matrices++ % options.dtypes.size()] : DType::F32;
    if (!gguf_type_number(type))
      return fail(ErrorKind::Usage, "[random model] dtype; GGUF has no {} here", to_string(type));
    const int64_t block = info(type).block_elements;
    if (tensor.dims.back() % block != 0)
      return fail(ErrorKind::Usage, "[random model] {}; got rows of {}, need a multiple of {} for {}", tensor.name,
                  tensor.dims.back(), block, to_string(type));
    const auto elements = static_cast<int64_t>(tensor.values.size());
    std::string bytes(static_cast<size_t>(bytes_of(type, elements)), '\0');
    quantise_row(type, tensor.values.data(), bytes.data(), elements);
    out.add(tensor.name, tensor.dims, type, std::move(bytes));
  }
  return out.write(path);
}

}  // namespace hearth::llm
