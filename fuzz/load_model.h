// What serving does with a model file: open, load on the reference device, one step.
#pragma once

#include "llm/model.h"

namespace hearth::fuzz {

inline void load_model(const std::filesystem::path& path) {
  static const std::unique_ptr<ops::Device> device = ops::open_device("ref").value();
  auto file = llm::open_model_file(path);
  if (!file) return;
  llm::LoadOptions options;
  options.max_step_tokens = 1;
  options.page_size = 1;
  auto model = llm::Model::load(std::move(*file), *device, options);
  if (!model) return;
  auto kv = (*model)->allocate_kv(1);
  if (!kv) return;
  const int32_t zero[] = {0}, indptr[] = {0, 1}, one[] = {1};
  llm::StepBatch batch{};
  batch.tokens = batch.positions = batch.slots = batch.page_table = batch.output_rows = zero;
  batch.token_indptr = batch.page_indptr = indptr;
  batch.kv_len = one;
  if (!(*model)->forward(batch, *kv)) __builtin_trap();  // what loaded must run
}

}  // namespace hearth::fuzz
