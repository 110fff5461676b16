#include "llm/weights.h"

#include <algorithm>
#include <cstring>

#include "base/file.h"
#include "base/log.h"
#include "llm/arch/architecture.h"
#include "llm/prepared_weights.h"
#include "tensor/checksum.h"

namespace hearth::llm {
namespace {

// Part of a prepared file's key: changes when the same name and shape would come to mean other rows.
constexpr int kPlanVersion = 1;

// Bytes from one address to the next that the element's loads need: quantised blocks begin with f16 values.
size_t alignment_of(DType type) {
  return is_quantised(type) ? 2 : static_cast<size_t>(info(type).block_bytes);
}

bool is_aligned(const TensorView& t) {
  return reinterpret_cast<uintptr_t>(t.data) % alignment_of(dtype_of(t)) == 0;
}

size_t plain_bytes(const TensorView& t) {
  return static_cast<size_t>(bytes_of(dtype_of(t), element_count(t)));
}

// A matrix that the device packs: where its rows come from, what becomes of it, who waits for it.
struct PackJob {
  std::string name;
  std::vector<TensorView> sources;
  ops::PackedForm form;
  int64_t rows = 0, inputs = 0;
  TensorView* destination = nullptr;
};

class Loader {
 public:
  Loader(const ModelFile& file, const ModelConfig& config, ops::Device& device, const LoadOptions& options)
      : file_(file),
        config_(config),
        names_(file.format() == "gguf" ? find_architecture(config_.architecture)->gguf_names
                                       : find_architecture(config_.architecture)->safetensors_names),
        device_(device),
        options_(options) {}

  Result<Weights> load() {
    TRY(list_globals());
    weights_.layers.resize(static_cast<size_t>(config_.layers));
    for (int64_t layer = 0; layer < config_.layers; ++layer)
      TRY(list_layer(layer, weights_.layers[static_cast<size_t>(layer)]));
    TRY(pack_all());
    return std::move(weights_);
  }

 private:
  Result<> list_globals();
  Result<> list_layer(int64_t layer, LayerWeights& out);

  Result<TensorView> matrix(std::string_view name, int64_t rows, int64_t inputs);
  Result<TensorView> vector(const std::string& name, int64_t size);
  Result<> bias(const std::vector<std::string>& weight_names, const std::vector<int64_t>& rows, Linear& out);
  Result<TensorView> place(const void* host, TensorView shape, size_t bytes);
  Result<void*> allocate(size_t bytes);
  Result<TensorView> floats(const std::vector<float>& values);
  void plan(std::string name, const std::vector<TensorView>& sources, Linear& out);

  Result<> pack_all();
  Result<bool> use_prepared(const std::filesystem::path& path, const std::string& key);
  Result<> write_prepared(const std::filesystem::path& path, const std::string& key);
  Result<> pack_in_memory();

  const ModelFile& file_;
  const ModelConfig& config_;
  const WeightNames& names_;
  ops::Device& device_;
  const LoadOptions& options_;
  Weights weights_;
  std::vector<PackJob> jobs_;
};

Result<TensorView> Loader::matrix(std::string_view name, int64_t rows, int64_t inputs) {
  const FileTensor* tensor = find_weight(file_, name);
  if (tensor == nullptr)
    return fail(ErrorKind::Invalid, "[model] tensor {}; got none, need [{}, {}]", name, rows, inputs);
  const TensorView& t = tensor->view;
  if (t.rank != 2 || t.dims[0] != rows || t.dims[1] != inputs)
    return fail(ErrorKind::Invalid, "[model] tensor {}; got {}, need [{}, {}]", name,
                fmt::format("[{}]", fmt::join(std::span(t.dims, static_cast<size_t>(t.rank)), ", ")), rows, inputs);
  weights_.bytes += tensor->bytes;
  if (is_aligned(t)) return t;
  // Safetensors promise no alignment; such a file is copied once.
  ASSIGN_OR_RETURN(void* copy, allocate(tensor->bytes));
  TRY(device_.upload(copy, t.data, tensor->bytes));
  TensorView moved = t;
  moved.data = copy;
  return moved;
}

Result<void*> Loader::allocate(size_t bytes) {
  ASSIGN_OR_RETURN(auto buffer, device_.allocate(bytes));
  return weights_.buffers.emplace_back(std::move(buffer)).data();
}

// Host bytes to where kernels can read them: themselves when the device sees them.
Result<TensorView> Loader::place(const void* host, TensorView shape, size_t bytes) {
  shape.data = const_cast<void*>(host);
  if (device_.host_visible()) return shape;
  ASSIGN_OR_RETURN(shape.data, allocate(bytes));
  TRY(device_.upload(shape.data, host, bytes));
  return shape;
}

Result<TensorView> Loader::floats(const std::vector<float>& values) {
  ASSIGN_OR_RETURN(void* data, allocate(values.size() * sizeof(float)));
  TRY(device_.upload(data, values.data(), values.size() * sizeof(float)));
  return view(data, DType::F32, {static_cast<int64_t>(values.size())});
}

// Norms and biases: f32 whatever the file has.
Result<TensorView> Loader::vector(const std::string& name, int64_t size) {
  const FileTensor* tensor = find_weight(file_, name);
  if (tensor == nullptr) return fail(ErrorKind::Invalid, "[model] tensor {}; got none, need [{}]", name, size);
  TensorView source = tensor->view;
  if (source.rank < 1 || element_count(source) != size || source.dims[source.rank - 1] != size)
    return fail(ErrorKind::Invalid, "[model] tensor {}; got {} elements, need [{}]", name, element_count(source), size);
  weights_.bytes += tensor->bytes;
  if (dtype_of(source) == DType::F32 && is_aligned(source)) {
    ASSIGN_OR_RETURN(TensorView placed, place(source.data, source, tensor->bytes));
    return view(placed.data, DType::F32, {size});
  }
  // A copy on the device first: the file's bytes may be unaligned or unseen by it.
  ASSIGN_OR_RETURN(void* raw, allocate(tensor->bytes));
  TRY(device_.upload(raw, source.data, tensor->bytes));
  ASSIGN_OR_RETURN(void* wide, allocate(static_cast<size_t>(size) * sizeof(float)));
  HearthOpCall call{};
  call.inputs[0] = view(raw, dtype_of(source), {1, size});
  call.outputs[0] = view(wide, DType::F32, {1, size});
  TRY(device_.run(ops::Op::Convert, call));
  TRY(device_.synchronize());
  return view(wide, DType::F32, {size});
}

// One bias for all rows of a Linear, from the biases of its sources.
Result<> Loader::bias(const std::vector<std::string>& weight_names, const std::vector<int64_t>& rows, Linear& out) {
  int64_t total = 0;
  for (const int64_t n : rows) total += n;
  ASSIGN_OR_RETURN(void* joined, allocate(static_cast<size_t>(total) * sizeof(float)));
  int64_t first = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSIGN_OR_RETURN(const TensorView one, vector(bias_name(weight_names[i]), rows[i]));
    HearthOpCall call{};
    call.inputs[0] = view(one.data, DType::F32, {1, rows[i]});
    call.outputs[0] = view(static_cast<float*>(joined) + first, DType::F32, {1, rows[i]});
    TRY(device_.run(ops::Op::Convert, call));
    first += rows[i];
  }
  TRY(device_.synchronize());
  out.bias = view(joined, DType::F32, {total});
  return {};
}

// Neighbours of one dtype become one matrix, so that one product serves them; a matrix that the device takes as the
// file has it is not copied at all.
void Loader::plan(std::string name, const std::vector<TensorView>& sources, Linear& out) {
  struct Group {
    std::vector<TensorView> sources;
    int64_t rows = 0;
  };
  const auto form_of = [&](const TensorView& t, int64_t rows) {
    return device_.packed_form(dtype_of(t), rows, t.dims[1]);
  };
  std::vector<Group> groups;
  for (const TensorView& source : sources) {
    const bool packed = form_of(source, source.dims[0]).layout != Layout::Plain;
    if (packed && !groups.empty() && dtype_of(groups.back().sources.front()) == dtype_of(source))
      groups.back().sources.push_back(source);
    else
      groups.push_back({{source}, 0});
    groups.back().rows += source.dims[0];
  }
  out.parts.resize(groups.size());  // final now: jobs point into it
  for (size_t i = 0; i < groups.size(); ++i) {
    const TensorView& head = groups[i].sources.front();
    Linear::Part& part = out.parts[i];
    part.first = out.rows;
    part.rows = groups[i].rows;
    out.rows += part.rows;
    const ops::PackedForm form = form_of(head, part.rows);
    if (form.layout == Layout::Plain && form.dtype == dtype_of(head) && device_.host_visible())
      part.weight = head;
    else
      jobs_.push_back({fmt::format("{}.{}", name, i), groups[i].sources, form, part.rows, head.dims[1], &part.weight});
  }
}

Result<> Loader::list_globals() {
  const int64_t hidden = config_.hidden;
  ASSIGN_OR_RETURN(const TensorView embedding, matrix(names_.embedding, config_.vocab, hidden));
  // Rows are looked up in the file's own bytes: only those of tokens that occur are ever read.
  ASSIGN_OR_RETURN(weights_.embedding, place(embedding.data, embedding, plain_bytes(embedding)));
  TensorView output = embedding;
  if (!config_.tied_embedding) {
    ASSIGN_OR_RETURN(output, matrix(names_.output, config_.vocab, hidden));
  }
  plan("output", {output}, weights_.output);
  ASSIGN_OR_RETURN(weights_.output_norm, vector(std::string(names_.output_norm), hidden));
  ASSIGN_OR_RETURN(weights_.inv_freq, floats(inverse_frequencies(config_, false, config_.context_length)));
  ASSIGN_OR_RETURN(weights_.inv_freq_sliding, floats(inverse_frequencies(config_, true, config_.context_length)));
  return {};
}

Result<> Loader::list_layer(int64_t layer, LayerWeights& out) {
  const auto name = [&](std::string_view pattern) { return layer_name(pattern, layer); };
  const int64_t hidden = config_.hidden, q_rows = config_.heads * config_.head_dim,
                kv_rows = config_.kv_heads * config_.head_dim;
  ASSIGN_OR_RETURN(out.attn_norm, vector(name(names_.attn_norm), hidden));
  ASSIGN_OR_RETURN(out.ffn_norm, vector(name(names_.ffn_norm), hidden));
  if (config_.post_norms) {
    ASSIGN_OR_RETURN(out.post_attn_norm, vector(name(names_.post_attn_norm), hidden));
    ASSIGN_OR_RETURN(out.post_ffn_norm, vector(name(names_.post_ffn_norm), hidden));
  }
  if (config_.qk_norm) {
    ASSIGN_OR_RETURN(out.q_norm, vector(name(names_.q_norm), config_.head_dim));
    ASSIGN_OR_RETURN(out.k_norm, vector(name(names_.k_norm), config_.head_dim));
  }

  std::vector<std::string> qkv_names;
  std::vector<int64_t> qkv_rows;
  if (names_.qkv.empty()) {
    qkv_names = {name(names_.q), name(names_.k), name(names_.v)};
    qkv_rows = {q_rows, kv_rows, kv_rows};
  } else {
    qkv_names = {name(names_.qkv)};
    qkv_rows = {q_rows + 2 * kv_rows};
  }
  std::vector<TensorView> qkv;
  for (size_t i = 0; i < qkv_names.size(); ++i) {
    ASSIGN_OR_RETURN(qkv.emplace_back(), matrix(qkv_names[i], qkv_rows[i], hidden));
  }
  plan(fmt::format("layer.{}.qkv", layer), qkv, out.qkv);
  if (config_.qkv_bias) TRY(bias(qkv_names, qkv_rows, out.qkv));

  ASSIGN_OR_RETURN(const TensorView o, matrix(name(names_.o), hidden, q_rows));
  plan(fmt::format("layer.{}.o", layer), {o}, out.o);

  if (names_.gate_up.empty()) {
    ASSIGN_OR_RETURN(const TensorView gate, matrix(name(names_.gate), config_.ffn, hidden));
    ASSIGN_OR_RETURN(const TensorView up, matrix(name(names_.up), config_.ffn, hidden));
    plan(fmt::format("layer.{}.gate_up", layer), {gate, up}, out.gate_up);
  } else {
    ASSIGN_OR_RETURN(const TensorView both, matrix(name(names_.gate_up), 2 * config_.ffn, hidden));
    plan(fmt::format("layer.{}.gate_up", layer), {both}, out.gate_up);
  }
  ASSIGN_OR_RETURN(const TensorView down, matrix(name(names_.down), hidden, config_.ffn));
  plan(fmt::format("layer.{}.down", layer), {down}, out.down);
  return {};
}

TensorView packed_view(const PackJob& job, void* data) {
  TensorView t = view(data, job.form.dtype, {job.rows, job.inputs});
  t.layout = static_cast<int32_t>(job.form.layout);
  return t;
}

Result<> Loader::pack_all() {
  if (jobs_.empty()) return {};
  if (options_.prepared_dir.empty() || !device_.host_visible()) return pack_in_memory();
  const std::string key = prepared_key(file_.fingerprint(), device_.packing_id(), kPlanVersion);
  const std::filesystem::path path =
      options_.prepared_dir / fmt::format("{:016x}{:016x}.prepared", checksum(key, 1), checksum(key, 2));
  ASSIGN_OR_RETURN(const bool found, use_prepared(path, key));
  if (found) return {};
  if (auto written = write_prepared(path, key); !written) {
    if (written.error().kind != ErrorKind::Limit && written.error().kind != ErrorKind::Io) return written;
    log_warning("no prepared file for {}: {}; its weights are packed again on every start", file_.path().string(),
                written.error().message);
    return pack_in_memory();
  }
  ASSIGN_OR_RETURN(const bool usable, use_prepared(path, key));
  if (!usable)
    return fail(ErrorKind::Internal, "[model] {}; got an unusable file right after writing it", path.string());
  return {};
}

// false: there is none, or one that does not fit and will be replaced.
Result<bool> Loader::use_prepared(const std::filesystem::path& path, const std::string& key) {
  auto opened = PreparedFile::open(path, key);
  if (!opened) {
    if (opened.error().kind != ErrorKind::NotFound)
      log_warning("prepared file {} is not used: {}", path.string(), opened.error().message);
    return false;
  }
  for (const PackJob& job : jobs_) {
    const PreparedTensor* tensor = opened->find(job.name);
    const bool fits = tensor != nullptr && tensor->bytes == job.form.bytes && tensor->view.rank == 2 &&
                      tensor->view.dims[0] == job.rows && tensor->view.dims[1] == job.inputs &&
                      dtype_of(tensor->view) == job.form.dtype && layout_of(tensor->view) == job.form.layout;
    if (!fits) {
      log_warning("prepared file {} is not used: {} is not what this device packs", path.string(), job.name);
      return false;
    }
  }
  weights_.prepared = std::move(*opened);
  for (const PackJob& job : jobs_) *job.destination = weights_.prepared->find(job.name)->view;
  weights_.mapped = true;
  weights_.prefault =
      std::jthread([bytes = weights_.prepared->bytes()](const std::stop_token& stop) { prefault(bytes, stop); });
  return true;
}

Result<> Loader::write_prepared(const std::filesystem::path& path, const std::string& key) {
  ASSIGN_OR_RETURN(auto writer, PreparedFileWriter::create(path, key));
  size_t largest = 0;
  for (const PackJob& job : jobs_) largest = std::max(largest, job.form.bytes);
  ASSIGN_OR_RETURN(const ops::Buffer scratch, device_.allocate(largest));
  for (const PackJob& job : jobs_) {
    std::memset(scratch.data(), 0, job.form.bytes);  // padding between panels is part of the checksum
    TRY(device_.pack(job.sources, scratch.data()));
    const int64_t dims[] = {job.rows, job.inputs};
    TRY(writer.add(job.name, job.form.dtype, job.form.layout, dims,
                   std::span(static_cast<const std::byte*>(scratch.data()), job.form.bytes)));
  }
  return writer.finish();
}

Result<> Loader::pack_in_memory() {
  std::vector<std::byte> host;  // for devices that cannot pack in place
  for (const PackJob& job : jobs_) {
    ASSIGN_OR_RETURN(void* data, allocate(job.form.bytes));
    if (device_.host_visible()) {
      TRY(device_.pack(job.sources, data));
    } else {
      host.assign(job.form.bytes, std::byte{0});
      TRY(device_.pack(job.sources, host.data()));
      TRY(device_.upload(data, host.data(), host.size()));
    }
    *job.destination = packed_view(job, data);
  }
  return {};
}

}  // namespace

Result<Weights> load_weights(const ModelFile& file, const ModelConfig& config, ops::Device& device,
                             const LoadOptions& options) {
  return Loader(file, config, device, options).load();
}

}  // namespace hearth::llm
