// A second implementation of llm::Model that is nothing but memory. Its "key" is a number that mixes a token, its
// position and the numbers of all keys it sees, read back through the page table; its logits are made of that number.
// So a wrong page, slot, mask, copy or order anywhere before a token changes every logit after it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "fake_device.h"
#include "llm/model.h"

namespace hearth::engine {

struct FakeModelOptions {
  int64_t vocab = 64, context_length = 4096, page_size = 4, max_step_tokens = 512;
};

// What tests look at and turn while the engine owns the model. Outlives the engine.
struct FakeModelControl {
  std::atomic<int> steps{0}, rows{0}, largest_batch{0}, most_sequences{0};
  std::atomic<int> fail_next{0};         // so many forward() calls fail
  std::function<void()> before_forward;  // set before the first pass
};

std::unique_ptr<llm::Model> fake_model(ops::Device& device, FakeModelControl& control, FakeModelOptions options = {});

// The same from the definition, without pages: the logits after each token. visible(row, key) for key < row; empty:
// all.
std::vector<std::vector<float>> fake_logits(const std::vector<uint32_t>& tokens, const std::vector<uint32_t>& positions,
                                            const std::function<bool(size_t, size_t)>& visible = {},
                                            int64_t vocab = 64);

}  // namespace hearth::engine
