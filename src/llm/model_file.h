// What a model file says, whatever its format: typed metadata, tensors by their names in the file, tokenizer source,
// chat template. GGUF and safetensors folders are read through this face. The file stays mapped while this object
// lives. Everything read is hostile: counts, lengths and offsets are checked against the file before they are used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "llm/model_config.h"
#include "tensor/tensor.h"

namespace hearth::llm {

struct FileTensor {
  std::string name;  // as the file has it
  TensorView view;   // Plain; rows first ([n, k] for a matrix y = W x, whatever order the file lists dims in)
  size_t bytes = 0;
};

// Enough to build a tokenizer: either the text of a tokenizer.json (safetensors folders) or GGUF's own lists.
struct TokenizerSource {
  std::string tokenizer_json;  // non-empty: use this
  std::string model;           // GGUF tokenizer.ggml.model: "gpt2" (byte-level BPE) or "llama" (SentencePiece-style)
  std::string pre;             // GGUF tokenizer.ggml.pre: names the pre-tokenizer ("smollm", "llama-bpe", "qwen2", …)
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> types;  // GGUF token types: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte
  std::vector<std::string> merges;
  std::optional<uint32_t> bos, eos, eot, unk, pad;
  std::vector<uint32_t> stops;  // every end token that generation_config.json and config.json name; empty for GGUF
  bool add_bos = false, add_eos = false, add_space_prefix = true;
};

class ModelFile {
 public:
  virtual ~ModelFile() = default;
  virtual std::string_view format() const = 0;  // "gguf" or "safetensors"
  virtual const std::filesystem::path& path() const = 0;
  virtual const ModelConfig& config() const = 0;  // already checked: see model_config.h
  virtual const std::vector<FileTensor>& tensors() const = 0;
  virtual const FileTensor* find(std::string_view name) const = 0;  // nullptr when absent
  virtual const TokenizerSource& tokenizer() const = 0;
  virtual const std::string& chat_template() const = 0;  // Jinja; empty when the file has none
  // Identity for caches: changes when any byte that matters changes (sizes, times and a hash of the header).
  virtual std::string fingerprint() const = 0;
};

// A .gguf file, or a folder with config.json and *.safetensors (single or with model.safetensors.index.json).
Result<std::unique_ptr<ModelFile>> open_model_file(const std::filesystem::path& path);

}  // namespace hearth::llm
