// From a step's logits to the outputs its slots asked for, on the model's device, batched over the rows of the step.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "ops/device.h"

namespace hearth::engine {

// Bytes of host memory that the output of a slot takes.
size_t output_bytes(const Sampler& sampler, const llm::ModelConfig& config);

struct SamplingJob {
  const Sampler* sampler;
  const Brle* logit_mask;  // nullptr: everything is allowed
  uint32_t row;            // of the step's logits
  uint64_t seed;           // of a Draw: never 0
  uint64_t index;          // of the token in its context
  std::optional<Result<SlotOutput>> output;
};

// Keeps its device buffers from step to step. Used by the engine thread alone.
class Sampling {
 public:
  explicit Sampling(ops::Device& device) : device_(device) {}
  // Fills every job's output. An error concerns all of them (the device failed); what is wrong with one job is in its
  // output.
  Result<> run(const llm::StepResult& step, std::span<SamplingJob> jobs);

 private:
  using Jobs = std::span<SamplingJob*>;
  Result<> draw(const TensorView& logits, Jobs jobs);
  Result<> distribution(const TensorView& logits, Jobs jobs);
  Result<> log_probabilities(const TensorView& logits, Jobs jobs);
  Result<> entropy(const TensorView& logits, Jobs jobs);
  Result<> copy_row(const TensorView& rows, SamplingJob& job, std::vector<float>& values);

  // The jobs' rows one below the other, masks applied; a view of the logits themselves when they already are.
  Result<TensorView> gather(const TensorView& logits, Jobs jobs, bool masked);
  Result<void*> buffer(int which, size_t bytes);
  Result<void*> put(int which, const void* host, size_t bytes);
  Result<> get(void* host, const void* device, size_t bytes);

  ops::Device& device_;
  std::vector<ops::Buffer> buffers_;
};

}  // namespace hearth::engine
