// The weights of one model on one device, in the order the forward step uses them.
#pragma once

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.h"
#include "llm/model.h"
#include "ops/device.h"
#include "tensor/prepared_file.h"

namespace hearth::llm {

// y = x W^T + bias, where W's rows are those of the parts one after the other. Matrices of one dtype share a part.
struct Linear {
  struct Part {
    TensorView weight;  // [rows, inputs], packed
    int64_t first = 0;  // its first output
    int64_t rows = 0;
  };
  std::vector<Part> parts;
  int64_t rows = 0;
  TensorView bias{};  // f32 [rows], or no data
};

struct LayerWeights {
  TensorView attn_norm{}, q_norm{}, k_norm{}, post_attn_norm{}, ffn_norm{}, post_ffn_norm{};  // f32; absent: no data
  Linear qkv, o, gate_up, down;
};

struct Weights {
  TensorView embedding{};  // [vocab, hidden], Plain
  std::vector<LayerWeights> layers;
  TensorView output_norm{};
  Linear output;
  TensorView inv_freq{}, inv_freq_sliding{};  // f32 [rope_dims / 2]: layers with full attention, layers that slide

  size_t bytes = 0;  // of all weights
  bool mapped = false;

  std::vector<ops::Buffer> buffers;  // what was converted, packed in memory or uploaded
  std::optional<PreparedFile> prepared;
  std::jthread prefault;  // of the prepared file, while the first step is prepared; last: it ends before the map does
};

// `file` must outlive the result. `config` is the file's, its context_length possibly reduced.
Result<Weights> load_weights(const ModelFile& file, const ModelConfig& config, ops::Device& device,
                             const LoadOptions& options);

}  // namespace hearth::llm
