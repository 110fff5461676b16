// A loaded decoder on one device: weights packed (or mapped from the prepared file), one forward step over a ragged
// batch.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "llm/model_config.h"
#include "llm/model_file.h"
#include "ops/device.h"

namespace hearth::llm {

struct LoadOptions {
  // Where prepared files live; empty: pack in memory and write nothing. A prepared file is found by the model's
  // fingerprint and the device's packing_id, checked, and written atomically when missing. When there is no room for it
  // the load goes on in memory and says so in the log.
  std::filesystem::path prepared_dir;
  int64_t max_step_tokens = 512;  // rows of the largest forward step: sizes the activation arena
  int64_t page_size = 16;
  // Tokens that one sequence may have; 0, or more than the model was trained for: what it was trained for. LongRope
  // models (Phi-3) use their short factors when it is at most their original context, and the long ones otherwise.
  int64_t max_context = 0;
};

// Keys and values of one model on its device: per layer two tensors [pages, kv_heads, page_size, head_dim], whose pages
// may lie apart.
struct KvCache {
  ops::Buffer memory;
  int64_t page_count = 0, page_size = 0;
  std::vector<TensorView> keys, values;  // one per layer
};

// One forward step. Rows are tokens; sequence i owns rows token_indptr[i]..token_indptr[i+1]. Spans are host memory and
// must hold until forward() returns. See PagedAttention in ops.inc for the meaning of page_table, kv_len and mask.
struct StepBatch {
  std::span<const int32_t> tokens, positions,
      slots;  // m each; slots: page * page_size + offset where the row's K and V go
  std::span<const int32_t> token_indptr, page_indptr;  // s + 1
  std::span<const int32_t> page_table;                 // page_indptr[s]
  std::span<const int32_t> kv_len;                     // s, this step's rows included
  std::span<const uint8_t> mask;                       // empty: causal
  std::span<const int32_t> mask_offset;                // m when mask is given
  std::span<const int32_t> output_rows;                // rows whose logits (and hidden state) are wanted, ascending
};

// What a step gave: device memory, valid until the next forward() of this model.
struct StepResult {
  TensorView logits;  // f32 [output_rows, vocab]
  TensorView hidden;  // f32 [output_rows, hidden]: the final-norm output
};

class Model {
 public:
  // The model keeps `file` (weights that need no packing are used in place); the device must outlive it.
  static Result<std::unique_ptr<Model>> load(std::shared_ptr<ModelFile> file, ops::Device& device,
                                             const LoadOptions& options);
  virtual ~Model() = default;

  virtual const ModelConfig& config() const = 0;  // the file's; context_length as LoadOptions::max_context limits it
  virtual const ModelFile& file() const = 0;
  virtual ops::Device& device() const = 0;
  virtual size_t weight_bytes() const = 0;
  virtual bool mapped() const = 0;  // weights come from a prepared file

  virtual int64_t page_size() const = 0;  // as LoadOptions said, and so the next
  virtual int64_t max_step_tokens() const = 0;
  virtual size_t kv_bytes_per_page() const = 0;
  virtual Result<KvCache> allocate_kv(int64_t page_count) = 0;

  // Called by one thread at a time. A token id outside the vocabulary or a batch larger than max_step_tokens is
  // Invalid.
  virtual Result<StepResult> forward(const StepBatch& batch, KvCache& kv) = 0;
};

}  // namespace hearth::llm
