// Small random models, and one sequence fed to a model in chosen pieces.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>
#include <random>

#include "llm/model.h"
#include "llm/random/random_model.h"
#include "support/temporary_folder.h"

namespace hearth::llm {

// As small as a model can be that has several heads, groups of them and two layers.
inline RandomModelOptions small_model(std::string architecture, std::vector<DType> dtypes = {DType::F32}) {
  RandomModelOptions options;
  options.architecture = std::move(architecture);
  options.dtypes = std::move(dtypes);
  options.hidden = 64;
  options.heads = 4;
  options.kv_heads = 2;
  options.head_dim = 16;
  options.ffn = 96;
  options.context = 256;
  if (options.architecture == "mistral" || options.architecture == "phi3") options.window = 11;
  return options;
}

inline std::vector<int32_t> random_tokens(uint32_t seed, size_t count, int32_t below = 400) {
  std::mt19937 random(seed);
  std::vector<int32_t> tokens(count);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % static_cast<uint32_t>(below));
  return tokens;
}

// A sequence with pages of its own, anywhere in the cache.
struct TestSequence {
  std::vector<int32_t> tokens;
  std::vector<int32_t> pages;
  size_t done = 0;
};

struct Piece {
  TestSequence* sequence;
  size_t count;
};

// One step over pieces of several sequences; gives the logits of every row, piece by piece.
inline std::vector<std::vector<float>> run_step(Model& model, KvCache& kv, const std::vector<Piece>& pieces) {
  std::vector<int32_t> tokens, positions, slots, token_indptr{0}, page_indptr{0}, page_table, kv_len;
  for (const Piece& piece : pieces) {
    TestSequence& s = *piece.sequence;
    for (size_t i = 0; i < piece.count; ++i, ++s.done) {
      tokens.push_back(s.tokens[s.done]);
      positions.push_back(static_cast<int32_t>(s.done));
      slots.push_back(s.pages[s.done / static_cast<size_t>(kv.page_size)] * static_cast<int32_t>(kv.page_size) +
                      static_cast<int32_t>(s.done % static_cast<size_t>(kv.page_size)));
    }
    const size_t used = (s.done + static_cast<size_t>(kv.page_size) - 1) / static_cast<size_t>(kv.page_size);
    page_table.insert(page_table.end(), s.pages.begin(), s.pages.begin() + static_cast<std::ptrdiff_t>(used));
    token_indptr.push_back(static_cast<int32_t>(tokens.size()));
    page_indptr.push_back(static_cast<int32_t>(page_table.size()));
    kv_len.push_back(static_cast<int32_t>(s.done));
  }
  std::vector<int32_t> rows(tokens.size());
  std::iota(rows.begin(), rows.end(), 0);
  StepBatch batch{};
  batch.tokens = tokens;
  batch.positions = positions;
  batch.slots = slots;
  batch.token_indptr = token_indptr;
  batch.page_indptr = page_indptr;
  batch.page_table = page_table;
  batch.kv_len = kv_len;
  batch.output_rows = rows;
  const auto result = model.forward(batch, kv);
  EXPECT_TRUE(result) << result.error().message;
  std::vector<std::vector<float>> logits;
  if (!result) return logits;
  const auto vocab = static_cast<size_t>(model.config().vocab);
  for (size_t i = 0; i < pieces.size(); ++i) {
    std::vector<float>& out = logits.emplace_back(pieces[i].count * vocab);
    const float* first = data_of<float>(result->logits) + static_cast<size_t>(token_indptr[i]) * vocab;
    EXPECT_TRUE(model.device().download(out.data(), first, out.size() * sizeof(float)));
  }
  return logits;
}

}  // namespace hearth::llm
