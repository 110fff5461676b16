// What a random model consists of, whatever file it goes into.
#pragma once

#include <string>
#include <vector>

#include "llm/arch/architecture.h"
#include "llm/random/random_model.h"

namespace hearth::llm {

struct RandomTensor {
  std::string name;  // as the file names it
  std::vector<int64_t> dims;
  std::vector<float> values;
  bool matrix = false;  // else a norm, a bias or a list of factors
};

// The configuration that the options describe, complete and checked.
Result<ModelConfig> random_config(const RandomModelOptions& options, int64_t token_count);

// One tensor at a time, in the order of the file; `gguf` chooses names, the order of rotary rows and Gemma's norms.
class RandomTensors {
 public:
  RandomTensors(const ModelConfig& config, uint64_t seed, bool gguf);
  size_t count() const { return plans_.size(); }
  RandomTensor make(size_t index) const;

 private:
  struct Part {
    std::string key;  // names the values, the same in both kinds of file
    int64_t rows;
    int64_t permuted_head = 0;  // rows of a head, when GGUF's order of rotary rows differs
  };
  struct Plan {
    std::string name;
    std::vector<Part> parts;  // rows one after the other
    int64_t columns;          // 0: a vector of the parts' rows
    double spread;            // standard deviation of a matrix, half width of a vector
    double centre;
  };
  void add_matrix(std::string name, std::vector<Part> parts, int64_t columns, double spread);
  void add_vector(std::string name, std::string key, int64_t size, double spread, double centre);
  void add_norm(std::string_view pattern, int64_t layer, std::string key, int64_t size);
  void add_layer(int64_t layer);
  void add_qkv(int64_t layer);

  const ModelConfig& config_;
  const WeightNames& names_;
  uint64_t seed_;
  std::vector<Plan> plans_;
  std::vector<RandomTensor> fixed_;
};

// Llama 3's per-pair divisors, as its converters write them into GGUF.
std::vector<float> llama3_factors(const ModelConfig& config);

Result<> write_random_gguf(const RandomModelOptions& options, const ModelConfig& config,
                           const std::filesystem::path& path);
Result<> write_random_safetensors(const RandomModelOptions& options, const ModelConfig& config,
                                  const std::filesystem::path& dir);

}  // namespace hearth::llm
