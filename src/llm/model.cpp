#include "llm/model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "llm/step_check.h"
#include "llm/weights.h"
#include "ops/op.h"

namespace hearth::llm {
namespace {

using ops::Op;

// Rows [first, first + count) of a matrix.
TensorView columns(const TensorView& t, int64_t first, int64_t count) {
  TensorView part = t;
  part.data = data_of<float>(t) + first;
  part.dims[1] = count;
  return part;
}

// The heads [first, first + count) of rows that hold whole heads of `dim` values one after the other.
TensorView heads(const TensorView& t, int64_t first, int64_t count, int64_t dim) {
  TensorView part = t;
  part.data = data_of<float>(t) + first * dim;
  part.rank = 3;
  part.dims[1] = count;
  part.dims[2] = dim;
  part.strides[1] = dim;
  part.strides[2] = 1;
  return part;
}

class Decoder final : public Model {
 public:
  Decoder(std::shared_ptr<ModelFile> file, ops::Device& device, const LoadOptions& options)
      : file_(std::move(file)), device_(device), options_(options), config_(file_->config()) {
    if (options.max_context > 0) config_.context_length = std::min(config_.context_length, options.max_context);
  }

  Result<> load();

  const ModelConfig& config() const override { return config_; }
  const ModelFile& file() const override { return *file_; }
  ops::Device& device() const override { return device_; }
  size_t weight_bytes() const override { return weights_.bytes; }
  bool mapped() const override { return weights_.mapped; }
  int64_t page_size() const override { return options_.page_size; }
  int64_t max_step_tokens() const override { return options_.max_step_tokens; }
  size_t kv_bytes_per_page() const override {
    return static_cast<size_t>(config_.layers * 2 * page_elements()) *
           static_cast<size_t>(ops_bytes(device_.kv_dtype()));
  }
  Result<KvCache> allocate_kv(int64_t page_count) override;
  Result<StepResult> forward(const StepBatch& batch, KvCache& kv) override;

 private:
  // The index arrays of a step where kernels can read them.
  struct Indices {
    TensorView tokens{}, positions{}, slots{}, token_indptr{}, page_indptr{}, page_table{}, kv_len{}, mask{},
        mask_offset{}, output_rows{};
  };

  static int64_t ops_bytes(DType type) { return info(type).block_bytes; }
  int64_t page_elements() const { return config_.kv_heads * options_.page_size * config_.head_dim; }
  Result<Indices> upload_indices(const StepBatch& batch);

  // Tensors of `rows` rows over the arena's buffers.
  TensorView rows_of(float* data, int64_t rows, int64_t width) const { return view(data, DType::F32, {rows, width}); }

  Result<> run(Op op, std::initializer_list<TensorView> inputs, std::initializer_list<TensorView> outputs,
               const void* attributes = nullptr);
  Result<> linear(const Linear& w, const TensorView& x, const TensorView& y, const TensorView& residual = {});
  Result<> norm(const TensorView& x, const TensorView& weight, const TensorView& y);
  Result<> attend(int64_t layer, const TensorView& x, const Indices& at, KvCache& kv, bool keys_only);
  Result<> finish_block(const Linear& w, const TensorView& input, const TensorView& post_norm, TensorView& x);
  Result<TensorView> run_layers(const StepBatch& batch, const Indices& at, KvCache& kv);
  Result<> feed_forward(const LayerWeights& w, TensorView& x);

  std::shared_ptr<ModelFile>
      file_;  // shared: the caller may go on reading it; weights and the embedding lie in its map
  ops::Device& device_;
  LoadOptions options_;
  ModelConfig config_;
  Weights weights_;

  ops::Buffer arena_, staging_;
  // The residual stream alternates between two buffers, so that no product reads what it writes.
  float* streams_[2] = {};
  float *normed_ = nullptr, *qkv_ = nullptr, *attended_ = nullptr, *wide_ = nullptr, *gated_ = nullptr,
        *hidden_ = nullptr, *logits_ = nullptr;
  int stream_ = 0;
};

Result<> Decoder::load() {
  if (options_.max_step_tokens < 1 || options_.max_step_tokens > 1 << 20)
    return fail(ErrorKind::Usage, "[model] max_step_tokens; got {}, need 1 to {}", options_.max_step_tokens, 1 << 20);
  if (options_.page_size < 1 || options_.page_size > 1 << 16)
    return fail(ErrorKind::Usage, "[model] page_size; got {}, need 1 to {}", options_.page_size, 1 << 16);
  ASSIGN_OR_RETURN(weights_, load_weights(*file_, config_, device_, options_));

  const int64_t q_width = config_.heads * config_.head_dim;
  const int64_t widths[] = {
      config_.hidden, config_.hidden,
      config_.hidden, q_width + 2 * config_.kv_heads * config_.head_dim,
      q_width,        std::max(2 * config_.ffn, q_width),  // also takes the gathered rows of the last layer
      config_.ffn,    config_.hidden,
      config_.vocab};
  float** const places[] = {&streams_[0], &streams_[1], &normed_, &qkv_,   &attended_,
                            &wide_,       &gated_,      &hidden_, &logits_};
  const auto region = [&](int64_t width) {  // of a multiple of 64 bytes
    return (static_cast<size_t>(width * options_.max_step_tokens) * sizeof(float) + 63) / 64 * 64;
  };
  size_t total = 0;
  for (const int64_t width : widths) total += region(width);
  ASSIGN_OR_RETURN(arena_, device_.allocate(total, ops::Use::Regions));
  size_t offset = 0;
  for (size_t i = 0; i < std::size(widths); ++i) {
    *places[i] = reinterpret_cast<float*>(static_cast<std::byte*>(arena_.data()) + offset);
    offset += region(widths[i]);
  }
  return {};
}

Result<KvCache> Decoder::allocate_kv(int64_t page_count) {
  const int64_t most =
      std::min<int64_t>(INT32_MAX / options_.page_size, INT64_MAX / 2 / static_cast<int64_t>(kv_bytes_per_page()));
  if (page_count < 1 || page_count > most)
    return fail(ErrorKind::Usage, "[model] pages of the cache; got {}, need 1 to {}", page_count, most);
  KvCache kv;
  kv.page_count = page_count;
  kv.page_size = options_.page_size;
  ASSIGN_OR_RETURN(kv.memory, device_.allocate(kv_bytes_per_page() * static_cast<size_t>(page_count)));
  const DType type = device_.kv_dtype();
  // All layers of a page lie together: what few tokens touch is a few neighbouring pages of memory.
  auto* data = static_cast<std::byte*>(kv.memory.data());
  const auto next = [&] {
    TensorView t = view(data, type, {page_count, config_.kv_heads, kv.page_size, config_.head_dim});
    t.strides[0] = 2 * config_.layers * page_elements();
    data += page_elements() * ops_bytes(type);
    return t;
  };
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    kv.keys.push_back(next());
    kv.values.push_back(next());
  }
  return kv;
}

Result<Decoder::Indices> Decoder::upload_indices(const StepBatch& b) {
  Indices at;
  struct Item {
    TensorView& view;
    std::span<const int32_t> values;
  };
  const Item items[] = {{at.tokens, b.tokens},
                        {at.positions, b.positions},
                        {at.slots, b.slots},
                        {at.token_indptr, b.token_indptr},
                        {at.page_indptr, b.page_indptr},
                        {at.page_table, b.page_table},
                        {at.kv_len, b.kv_len},
                        {at.output_rows, b.output_rows}};
  const bool masked = !b.mask.empty();
  if (device_.host_visible()) {
    for (const Item& item : items)
      item.view = view(item.values.data(), DType::I32, {static_cast<int64_t>(item.values.size())});
    if (masked) {
      at.mask = view(b.mask.data(), DType::U8, {static_cast<int64_t>(b.mask.size())});
      at.mask_offset = view(b.mask_offset.data(), DType::I32, {static_cast<int64_t>(b.mask_offset.size())});
    }
    return at;
  }
  size_t total = b.mask.size() + 64 + b.mask_offset.size_bytes() + 64;
  for (const Item& item : items) total += item.values.size_bytes() + 64;
  if (staging_.bytes() < total) {
    ASSIGN_OR_RETURN(staging_, device_.allocate(2 * total));
  }
  auto* data = static_cast<std::byte*>(staging_.data());
  const auto put = [&](TensorView& t, const void* host, DType type, size_t count) -> Result<> {
    t = view(data, type, {static_cast<int64_t>(count)});
    const auto bytes = static_cast<size_t>(bytes_of(type, static_cast<int64_t>(count)));
    data += (bytes + 63) / 64 * 64;
    return bytes == 0 ? Result<>() : device_.upload(t.data, host, bytes);
  };
  for (const Item& item : items) TRY(put(item.view, item.values.data(), DType::I32, item.values.size()));
  if (masked) {
    TRY(put(at.mask, b.mask.data(), DType::U8, b.mask.size()));
    TRY(put(at.mask_offset, b.mask_offset.data(), DType::I32, b.mask_offset.size()));
  }
  return at;
}

Result<> Decoder::run(Op op, std::initializer_list<TensorView> inputs, std::initializer_list<TensorView> outputs,
                      const void* attributes) {
  HearthOpCall call{};
  std::ranges::copy(inputs, call.inputs);
  std::ranges::copy(outputs, call.outputs);
  call.attributes = attributes;
  return device_.run(op, call);
}

Result<> Decoder::linear(const Linear& w, const TensorView& x, const TensorView& y, const TensorView& residual) {
  for (const Linear::Part& part : w.parts) {
    TensorView bias = w.bias, rest = residual;
    if (bias.data != nullptr) {
      bias.data = data_of<float>(bias) + part.first;
      bias.dims[0] = part.rows;
    }
    if (rest.data != nullptr) rest = columns(rest, part.first, part.rows);
    TRY(run(Op::Matmul, {x, part.weight, bias, rest}, {columns(y, part.first, part.rows)}));
  }
  return {};
}

Result<> Decoder::norm(const TensorView& x, const TensorView& weight, const TensorView& y) {
  const ops::RmsNormAttributes attributes{.eps = static_cast<float>(config_.norm_eps),
                                          .weight_offset = config_.norm_plus_one ? 1.0f : 0.0f};
  return run(Op::RmsNorm, {x, weight}, {y}, &attributes);
}

// Projects, rotates and stores this step's keys and values, then attends: attended_ holds the result.
Result<> Decoder::attend(int64_t layer, const TensorView& x, const Indices& at, KvCache& kv, bool keys_only) {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const int64_t rows = x.dims[0], dim = config_.head_dim, q = config_.heads, g = config_.kv_heads;
  const TensorView normed = rows_of(normed_, rows, config_.hidden);
  const TensorView qkv = rows_of(qkv_, rows, (q + 2 * g) * dim);
  TRY(norm(x, w.attn_norm, normed));
  TRY(linear(w.qkv, normed, qkv));
  if (config_.qk_norm) {
    TRY(norm(heads(qkv, 0, q, dim), w.q_norm, heads(qkv, 0, q, dim)));
    TRY(norm(heads(qkv, q, g, dim), w.k_norm, heads(qkv, q, g, dim)));
  }
  const bool slides = config_.slides(layer);
  const ops::RopeAttributes rope{.interleaved = config_.rope_interleaved ? 1 : 0,
                                 .attention_factor = static_cast<float>(config_.rope_attention_factor)};
  const TensorView turned = heads(qkv, 0, q + g, dim);  // q and k are neighbours: one call turns both
  TRY(run(Op::Rope, {turned, at.positions, slides ? weights_.inv_freq_sliding : weights_.inv_freq}, {turned}, &rope));
  TensorView& keys = kv.keys[static_cast<size_t>(layer)];
  TensorView& values = kv.values[static_cast<size_t>(layer)];
  TRY(run(Op::KvWrite, {heads(qkv, q, g, dim), heads(qkv, q + g, g, dim), at.slots}, {keys, values}));
  if (keys_only) return {};
  const double scale = config_.attention_scale > 0 ? config_.attention_scale : 1 / std::sqrt(static_cast<double>(dim));
  const ops::PagedAttentionAttributes attributes{.scale = static_cast<float>(scale),
                                                 .softcap = static_cast<float>(config_.attention_softcap),
                                                 .window = slides ? static_cast<int32_t>(config_.sliding_window) : 0};
  return run(Op::PagedAttention,
             {heads(qkv, 0, q, dim), keys, values, at.token_indptr, at.page_table, at.page_indptr, at.kv_len, at.mask,
              at.mask_offset},
             {heads(rows_of(attended_, rows, q * dim), 0, q, dim)}, &attributes);
}

// x += post_norm(input W^T), or without a norm in one product; x becomes a view of the other stream.
Result<> Decoder::finish_block(const Linear& w, const TensorView& input, const TensorView& post_norm, TensorView& x) {
  stream_ = 1 - stream_;
  const TensorView next = rows_of(streams_[stream_], x.dims[0], config_.hidden);
  if (post_norm.data == nullptr) {
    TRY(linear(w, input, next, x));
  } else {
    const TensorView normed = rows_of(normed_, x.dims[0], config_.hidden);
    TRY(linear(w, input, next));
    TRY(norm(next, post_norm, normed));
    TRY(run(Op::Add, {x, normed}, {next}));
  }
  x = next;
  return {};
}

Result<> Decoder::feed_forward(const LayerWeights& w, TensorView& x) {
  const int64_t rows = x.dims[0];
  const TensorView normed = rows_of(normed_, rows, config_.hidden);
  const TensorView wide = rows_of(wide_, rows, 2 * config_.ffn);
  const TensorView gated = rows_of(gated_, rows, config_.ffn);
  TRY(norm(x, w.ffn_norm, normed));
  TRY(linear(w.gate_up, normed, wide));
  TRY(run(config_.activation == Activation::Silu ? Op::GatedSilu : Op::GatedGelu, {wide}, {gated}));
  return finish_block(w.down, gated, w.post_ffn_norm, x);
}

// The residual stream of the output rows behind the last layer.
Result<TensorView> Decoder::run_layers(const StepBatch& batch, const Indices& at, KvCache& kv) {
  const auto rows = static_cast<int64_t>(batch.tokens.size());
  const auto wanted = static_cast<int64_t>(batch.output_rows.size());
  stream_ = 0;
  TensorView x = rows_of(streams_[stream_], rows, config_.hidden);
  const ops::GatherRowsAttributes embedding{.scale = static_cast<float>(config_.embedding_scale)};
  TRY(run(Op::GatherRows, {weights_.embedding, at.tokens}, {x}, &embedding));
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
    const bool last = layer + 1 == config_.layers;
    TRY(attend(layer, x, at, kv, last && wanted == 0));
    TensorView attended = rows_of(attended_, rows, config_.heads * config_.head_dim);
    if (last && wanted == 0) return TensorView{};
    if (last && wanted < rows) {  // behind the last attention only the output rows matter
      const TensorView some = rows_of(wide_, wanted, attended.dims[1]);
      TRY(run(Op::GatherRows, {attended, at.output_rows}, {some}));
      attended = some;
      stream_ = 1 - stream_;
      const TensorView x_some = rows_of(streams_[stream_], wanted, config_.hidden);
      TRY(run(Op::GatherRows, {x, at.output_rows}, {x_some}));
      x = x_some;
    }
    TRY(finish_block(w.o, attended, w.post_attn_norm, x));
    TRY(feed_forward(w, x));
  }
  return x;
}

Result<StepResult> Decoder::forward(const StepBatch& batch, KvCache& kv) {
  TRY(check(batch, config_, kv, options_.max_step_tokens));
  ASSIGN_OR_RETURN(const Indices at, upload_indices(batch));
  ASSIGN_OR_RETURN(const TensorView x, run_layers(batch, at, kv));
  const auto wanted = static_cast<int64_t>(batch.output_rows.size());
  StepResult result{rows_of(logits_, wanted, config_.vocab), rows_of(hidden_, wanted, config_.hidden)};
  if (wanted > 0) {
    TRY(norm(x, weights_.output_norm, result.hidden));
    TRY(linear(weights_.output, result.hidden, result.logits));
    if (config_.final_softcap > 0) {
      const ops::SoftcapAttributes cap{.cap = static_cast<float>(config_.final_softcap)};
      TRY(run(Op::Softcap, {result.logits}, {result.logits}, &cap));
    }
  }
  TRY(device_.synchronize());
  return result;
}

}  // namespace

Result<std::unique_ptr<Model>> Model::load(std::shared_ptr<ModelFile> file, ops::Device& device,
                                           const LoadOptions& options) {
  const std::string path = file->path().string();
  auto model = std::make_unique<Decoder>(std::move(file), device, options);
  if (auto loaded = model->load(); !loaded) return within(path, std::move(loaded).error());
  return model;
}

}  // namespace hearth::llm
