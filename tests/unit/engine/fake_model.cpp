#include "fake_model.h"

#include <algorithm>
#include <cstring>

namespace hearth::engine {
namespace {

uint64_t mix(uint64_t h, uint64_t value) {
  h = (h ^ value) * 0x9e3779b97f4a7c15u;
  h ^= h >> 32;
  h *= 0xd6e8feb86659fd93u;
  return h ^ (h >> 29);
}
uint64_t start(uint32_t token, uint32_t position) {
  return mix(mix(1, token), position);
}

void logits_of(uint64_t key, float* logits, int64_t vocab) {
  for (int64_t v = 0; v < vocab; ++v)
    logits[v] = static_cast<float>(mix(key, static_cast<uint64_t>(v) + 77) >> 40) * 0x1p-21f - 4.0f;  // -4 .. 4
}

struct NoFile final : llm::ModelFile {
  llm::ModelConfig shape;
  std::filesystem::path where;
  std::vector<llm::FileTensor> none;
  llm::TokenizerSource words;
  std::string chat;
  std::string_view format() const override { return "fake"; }
  const std::filesystem::path& path() const override { return where; }
  const llm::ModelConfig& config() const override { return shape; }
  const std::vector<llm::FileTensor>& tensors() const override { return none; }
  const llm::FileTensor* find(std::string_view) const override { return nullptr; }
  const llm::TokenizerSource& tokenizer() const override { return words; }
  const std::string& chat_template() const override { return chat; }
  std::string fingerprint() const override { return "fake"; }
};

// A page row is 4 floats wide; the key number fills the first two of the key cache, its complement those of the values.
constexpr int64_t kWidth = 4;

struct FakeModel final : llm::Model {
  FakeModel(ops::Device& device, FakeModelControl& control, FakeModelOptions options)
      : device_(device), control_(control), options_(options) {
    file_.shape.vocab = options.vocab;
    file_.shape.context_length = options.context_length;
    file_.shape.hidden = 2;
  }
  const llm::ModelConfig& config() const override { return file_.shape; }
  const llm::ModelFile& file() const override { return file_; }
  ops::Device& device() const override { return device_; }
  size_t weight_bytes() const override { return 0; }
  bool mapped() const override { return false; }
  int64_t page_size() const override { return options_.page_size; }
  int64_t max_step_tokens() const override { return options_.max_step_tokens; }
  size_t kv_bytes_per_page() const override {
    return static_cast<size_t>(2 * options_.page_size * kWidth) * sizeof(float);
  }

  Result<llm::KvCache> allocate_kv(int64_t pages) override {
    llm::KvCache kv;
    kv.page_count = pages;
    kv.page_size = options_.page_size;
    ASSIGN_OR_RETURN(kv.memory, device_.allocate(kv_bytes_per_page() * static_cast<size_t>(pages)));
    float* data = static_cast<float*>(kv.memory.data());
    kv.keys = {view(data, DType::F32, {pages, 1, options_.page_size, kWidth})};
    kv.values = {view(data + pages * options_.page_size * kWidth, DType::F32, {pages, 1, options_.page_size, kWidth})};
    return kv;
  }

  Result<llm::StepResult> forward(const llm::StepBatch& batch, llm::KvCache& kv) override {
    if (control_.before_forward) control_.before_forward();
    const int rows = static_cast<int>(batch.tokens.size());
    ++control_.steps;
    control_.rows += rows;
    control_.largest_batch = std::max<int>(control_.largest_batch, rows);
    control_.most_sequences = std::max<int>(control_.most_sequences, static_cast<int>(batch.kv_len.size()));
    if (control_.fail_next > 0) {
      --control_.fail_next;
      return fail(ErrorKind::Io, "[fake] the device stumbled");
    }
    if (rows > options_.max_step_tokens) return fail(ErrorKind::Invalid, "[fake] {} rows", rows);
    CHECK(batch.positions.size() == batch.tokens.size() && batch.slots.size() == batch.tokens.size());
    CHECK(batch.page_indptr.size() == batch.kv_len.size() + 1 && batch.token_indptr.size() == batch.kv_len.size() + 1);
    CHECK(batch.page_indptr.back() == static_cast<int32_t>(batch.page_table.size()));
    CHECK(batch.token_indptr.back() == rows && std::ranges::is_sorted(batch.output_rows));
    std::vector<uint64_t> keys(batch.tokens.size());
    const int32_t page_size = static_cast<int32_t>(options_.page_size);
    for (size_t s = 0; s < batch.kv_len.size(); ++s) {
      const int32_t begin = batch.token_indptr[s], end = batch.token_indptr[s + 1];
      for (int32_t row = begin; row < end; ++row) {
        const int32_t own = batch.kv_len[s] - (end - row);
        const auto at = static_cast<size_t>(row);
        uint64_t key = start(static_cast<uint32_t>(batch.tokens[at]), static_cast<uint32_t>(batch.positions[at]));
        for (int32_t j = 0; j < own; ++j) {
          if (!batch.mask.empty() && batch.mask_offset[at] >= 0 &&
              !((batch.mask[static_cast<size_t>(batch.mask_offset[at] + j / 8)] >> (j % 8)) & 1))
            continue;
          const int32_t page = batch.page_table[static_cast<size_t>(batch.page_indptr[s] + j / page_size)];
          key = mix(mix(key, static_cast<uint64_t>(j)), load(kv, page * page_size + j % page_size));
        }
        const int32_t page = batch.page_table[static_cast<size_t>(batch.page_indptr[s] + own / page_size)];
        CHECK(batch.slots[at] == page * page_size + own % page_size);
        store(kv, batch.slots[at], key);
        keys[at] = key;
      }
    }
    logits_.resize(std::max<size_t>(1, batch.output_rows.size() * static_cast<size_t>(options_.vocab)));
    hidden_.resize(std::max<size_t>(1, batch.output_rows.size() * 2));
    for (size_t i = 0; i < batch.output_rows.size(); ++i) {
      const uint64_t key = keys[static_cast<size_t>(batch.output_rows[i])];
      logits_of(key, logits_.data() + i * static_cast<size_t>(options_.vocab), options_.vocab);
      hidden_[2 * i] = logits_[i * static_cast<size_t>(options_.vocab)];
      hidden_[2 * i + 1] = static_cast<float>(batch.tokens[static_cast<size_t>(batch.output_rows[i])]);
    }
    const int64_t count = static_cast<int64_t>(batch.output_rows.size());
    return llm::StepResult{view(logits_.data(), DType::F32, {count, options_.vocab}),
                           view(hidden_.data(), DType::F32, {count, 2})};
  }

  static uint64_t load(const llm::KvCache& kv, int32_t slot) {
    uint64_t key = 0, value = 0;
    std::memcpy(&key, data_of<float>(kv.keys[0]) + slot * kWidth, 8);
    std::memcpy(&value, data_of<float>(kv.values[0]) + slot * kWidth, 8);
    return key == ~value ? key : 0xdead;  // keys and values that do not belong together
  }
  static void store(llm::KvCache& kv, int32_t slot, uint64_t key) {
    const uint64_t value = ~key;
    std::memcpy(data_of<float>(kv.keys[0]) + slot * kWidth, &key, 8);
    std::memcpy(data_of<float>(kv.values[0]) + slot * kWidth, &value, 8);
  }

  ops::Device& device_;
  FakeModelControl& control_;
  FakeModelOptions options_;
  NoFile file_;
  std::vector<float> logits_, hidden_;
};

}  // namespace

std::unique_ptr<llm::Model> fake_model(ops::Device& device, FakeModelControl& control, FakeModelOptions options) {
  return std::make_unique<FakeModel>(device, control, options);
}

std::vector<std::vector<float>> fake_logits(const std::vector<uint32_t>& tokens, const std::vector<uint32_t>& positions,
                                            const std::function<bool(size_t, size_t)>& visible, int64_t vocab) {
  std::vector<uint64_t> keys;
  std::vector<std::vector<float>> result;
  for (size_t i = 0; i < tokens.size(); ++i) {
    uint64_t key = start(tokens[i], positions[i]);
    for (size_t j = 0; j < i; ++j)
      if (!visible || visible(i, j)) key = mix(mix(key, j), keys[j]);
    keys.push_back(key);
    logits_of(key, result.emplace_back(static_cast<size_t>(vocab)).data(), vocab);
  }
  return result;
}

}  // namespace hearth::engine
