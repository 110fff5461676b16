// Small random models of every architecture, for tests, fuzzing and benchmarks: the same seed gives the same weights in
// both kinds of file, on every machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "llm/model_config.h"
#include "tensor/dtype.h"

namespace hearth::llm {

struct RandomModelOptions {
  std::string architecture = "llama";
  std::string format = "gguf";  // or "safetensors"
  // Types of the matrices, taken in turn in the order of the file (first the embedding); several make a mixed file.
  // Safetensors take one of f32, f16, bf16. GGUF norms are f32 always.
  std::vector<DType> dtypes = {DType::F32};
  uint64_t seed = 1;
  int64_t layers = 2, hidden = 256, heads = 4, kv_heads = 2, head_dim = 64, ffn = 512;
  int64_t context = 2048;
  int64_t vocab = 0;          // 0: as many as the tokenizer has; more are rows without a token
  int64_t window = 0;         // sliding window of families that have one; 0: 32 (Gemma), none (others)
  bool tied = false;          // Gemma is tied always
  std::string tokenizer;      // "bpe" or "spm"; "": as the family has it
  std::string rope = "none";  // linear, yarn, llama3 (llama), longrope (phi3)
  int shards = 1;             // safetensors files
};

// Writes DIR/model.gguf, or config.json and the rest of a safetensors folder into DIR; gives the path to open.
Result<std::filesystem::path> write_random_model(const RandomModelOptions& options, const std::filesystem::path& dir);

}  // namespace hearth::llm
