#include "engine/sampling.h"

#include <algorithm>
#include <cmath>

#include "engine/random.h"

namespace hearth::engine {
namespace {

constexpr size_t kRows = 64;  // of one pass over the vocabulary: bounds the scratch memory

enum Scratch : int { kRowIds, kGathered, kMask, kParameters, kResult, kValues, kIndices, kScratchCount };

HearthOpCall call_of(std::initializer_list<TensorView> inputs, std::initializer_list<TensorView> outputs,
                     const void* attributes = nullptr) {
  HearthOpCall call{};
  std::ranges::copy(inputs, call.inputs);
  std::ranges::copy(outputs, call.outputs);
  call.attributes = attributes;
  return call;
}

int64_t count(size_t n) {
  return static_cast<int64_t>(n);
}

// In blocks of kRows, `run(block)`.
template <class Run>
Result<> in_blocks(std::span<SamplingJob*> jobs, Run run) {
  for (size_t at = 0; at < jobs.size(); at += kRows) TRY(run(jobs.subspan(at, std::min(kRows, jobs.size() - at))));
  return {};
}

}  // namespace

size_t output_bytes(const Sampler& sampler, const llm::ModelConfig& config) {
  const auto vocab = static_cast<size_t>(config.vocab);
  size_t numbers = 0;
  if (std::holds_alternative<RawLogits>(sampler)) numbers = vocab;
  if (std::holds_alternative<Embedding>(sampler)) numbers = static_cast<size_t>(config.hidden);
  if (const auto* probs = std::get_if<LogProbs>(&sampler)) numbers = probs->tokens.size();
  if (const auto* dist = std::get_if<Distribution>(&sampler))
    numbers = 2 * (dist->top_n == 0 ? vocab : std::min<size_t>(dist->top_n, vocab));
  return sizeof(SlotOutput) + numbers * sizeof(float);
}

Result<void*> Sampling::buffer(int which, size_t bytes) {
  buffers_.resize(kScratchCount);
  ops::Buffer& held = buffers_[static_cast<size_t>(which)];
  if (held.bytes() < bytes) {
    held = ops::Buffer{};  // the old one first: both at once may not fit
    ASSIGN_OR_RETURN(held, device_.allocate(bytes + bytes / 2));
  }
  return held.data();
}

Result<void*> Sampling::put(int which, const void* host, size_t bytes) {
  ASSIGN_OR_RETURN(void* device, buffer(which, bytes));
  TRY(device_.upload(device, host, bytes));
  return device;
}

Result<> Sampling::get(void* host, const void* device, size_t bytes) {
  TRY(device_.synchronize());
  return device_.download(host, device, bytes);
}

Result<TensorView> Sampling::gather(const TensorView& logits, Jobs jobs, bool masked) {
  const int64_t m = count(jobs.size()), vocab = logits.dims[1];
  const bool any_mask = masked && std::ranges::any_of(jobs, [](auto* job) { return job->logit_mask != nullptr; });
  bool consecutive = true;
  std::vector<int32_t> rows(jobs.size());
  for (size_t i = 0; i < jobs.size(); ++i) {
    rows[i] = static_cast<int32_t>(jobs[i]->row);
    consecutive &= rows[i] == rows[0] + static_cast<int32_t>(i);
  }
  if (consecutive && !any_mask) {
    TensorView part = logits;
    part.data = data_of<float>(logits) + rows[0] * logits.strides[0];
    part.dims[0] = m;
    return part;
  }
  ASSIGN_OR_RETURN(void* ids, put(kRowIds, rows.data(), rows.size() * sizeof(int32_t)));
  ASSIGN_OR_RETURN(void* data, buffer(kGathered, jobs.size() * static_cast<size_t>(vocab) * sizeof(float)));
  const TensorView gathered = view(data, DType::F32, {m, vocab});
  TRY(device_.run(ops::Op::GatherRows, call_of({logits, view(ids, DType::I32, {m})}, {gathered})));
  if (any_mask) {
    const size_t words = (static_cast<size_t>(vocab) + 31) / 32;
    std::vector<uint32_t> bits(jobs.size() * words, ~uint32_t{0});
    for (size_t i = 0; i < jobs.size(); ++i)
      if (jobs[i]->logit_mask != nullptr)
        std::ranges::copy(jobs[i]->logit_mask->decode(static_cast<uint32_t>(vocab)), bits.begin() + count(i * words));
    ASSIGN_OR_RETURN(void* mask, put(kMask, bits.data(), bits.size() * sizeof(uint32_t)));
    TRY(device_.run(ops::Op::MaskLogits, call_of({gathered, view(mask, DType::U32, {m, count(words)})}, {gathered})));
  }
  return gathered;
}

Result<> Sampling::draw(const TensorView& logits, Jobs jobs) {
  const size_t m = jobs.size();
  // One upload for the five parameters of all rows: [temperature | top_p | min_p | uniform | top_k], each padded to 16.
  const size_t stride = (m + 15) / 16 * 16;
  std::vector<float> parameters(5 * stride, 0.0f);
  int32_t* top_k = reinterpret_cast<int32_t*>(parameters.data() + 4 * stride);
  for (size_t i = 0; i < m; ++i) {
    const Draw& draw = std::get<Draw>(*jobs[i]->sampler);
    parameters[i] = draw.temperature;
    parameters[stride + i] = draw.top_p;
    parameters[2 * stride + i] = draw.min_p;
    parameters[3 * stride + i] = uniform(jobs[i]->seed, jobs[i]->index);
    top_k[i] = static_cast<int32_t>(std::min<uint32_t>(draw.top_k, static_cast<uint32_t>(logits.dims[1])));
  }
  ASSIGN_OR_RETURN(const TensorView rows, gather(logits, jobs, true));
  ASSIGN_OR_RETURN(void* device, put(kParameters, parameters.data(), parameters.size() * sizeof(float)));
  ASSIGN_OR_RETURN(void* tokens, buffer(kResult, m * sizeof(int32_t)));
  const auto part = [&](size_t which, DType type) {
    return view(static_cast<float*>(device) + which * stride, type, {count(m)});
  };
  TRY(device_.run(ops::Op::Sample, call_of({rows, part(0, DType::F32), part(4, DType::I32), part(1, DType::F32),
                                            part(2, DType::F32), part(3, DType::F32)},
                                           {view(tokens, DType::I32, {count(m)})})));
  std::vector<int32_t> drawn(m);
  TRY(get(drawn.data(), tokens, m * sizeof(int32_t)));
  for (size_t i = 0; i < m; ++i) {
    if (drawn[i] >= 0) {
      jobs[i]->output = TokenOutput{static_cast<uint32_t>(drawn[i])};
    } else {
      jobs[i]->output =
          fail(ErrorKind::Invalid,
               "[sampling] no token can be drawn: the logit mask leaves none, or the logits are not numbers");
    }
  }
  return {};
}

Result<> Sampling::distribution(const TensorView& logits, Jobs jobs) {
  const int64_t m = count(jobs.size()), vocab = logits.dims[1];
  int64_t k = 1;
  for (const SamplingJob* job : jobs) {
    const uint32_t top_n = std::get<Distribution>(*job->sampler).top_n;
    k = std::max(k, top_n == 0 ? vocab : std::min<int64_t>(top_n, vocab));
  }
  ASSIGN_OR_RETURN(const TensorView rows, gather(logits, jobs, true));
  ASSIGN_OR_RETURN(void* probabilities, buffer(kResult, static_cast<size_t>(m * vocab) * sizeof(float)));
  const TensorView soft = view(probabilities, DType::F32, {m, vocab});
  const ops::SoftmaxAttributes attributes{.temperature = std::get<Distribution>(*jobs[0]->sampler).temperature};
  TRY(device_.run(ops::Op::Softmax, call_of({rows}, {soft}, &attributes)));
  ASSIGN_OR_RETURN(void* values, buffer(kValues, static_cast<size_t>(m * k) * sizeof(float)));
  ASSIGN_OR_RETURN(void* indices, buffer(kIndices, static_cast<size_t>(m * k) * sizeof(int32_t)));
  TRY(device_.run(ops::Op::TopK,
                  call_of({soft}, {view(values, DType::F32, {m, k}), view(indices, DType::I32, {m, k})})));
  TRY(device_.synchronize());
  for (size_t i = 0; i < jobs.size(); ++i) {
    const uint32_t top_n = std::get<Distribution>(*jobs[i]->sampler).top_n;
    const size_t n = static_cast<size_t>(top_n == 0 ? vocab : std::min<int64_t>(top_n, vocab));
    DistributionOutput output{std::vector<uint32_t>(n), std::vector<float>(n)};
    const size_t at = i * static_cast<size_t>(k);
    TRY(device_.download(output.probabilities.data(), static_cast<float*>(values) + at, n * sizeof(float)));
    TRY(device_.download(output.tokens.data(), static_cast<int32_t*>(indices) + at, n * sizeof(int32_t)));
    if (!(output.probabilities[0] > 0)) {
      jobs[i]->output =
          fail(ErrorKind::Invalid,
               "[sampling] no distribution: the logit mask leaves no token, or the logits are not numbers");
    } else {
      jobs[i]->output = std::move(output);
    }
  }
  return {};
}

Result<> Sampling::log_probabilities(const TensorView& logits, Jobs jobs) {
  const int64_t m = count(jobs.size()), vocab = logits.dims[1];
  ASSIGN_OR_RETURN(const TensorView rows, gather(logits, jobs, false));
  ASSIGN_OR_RETURN(void* data, buffer(kResult, static_cast<size_t>(m * vocab) * sizeof(float)));
  TRY(device_.run(ops::Op::LogSoftmax, call_of({rows}, {view(data, DType::F32, {m, vocab})})));
  TRY(device_.synchronize());
  for (size_t i = 0; i < jobs.size(); ++i) {
    LogProbsOutput output;
    for (const uint32_t token : std::get<LogProbs>(*jobs[i]->sampler).tokens) {
      float& value = output.values.emplace_back();
      TRY(device_.download(&value, static_cast<float*>(data) + i * static_cast<size_t>(vocab) + token, sizeof(float)));
    }
    jobs[i]->output = std::move(output);
  }
  return {};
}

Result<> Sampling::entropy(const TensorView& logits, Jobs jobs) {
  const size_t m = jobs.size();
  ASSIGN_OR_RETURN(const TensorView rows, gather(logits, jobs, false));
  ASSIGN_OR_RETURN(void* data, buffer(kResult, m * sizeof(float)));
  TRY(device_.run(ops::Op::Entropy, call_of({rows}, {view(data, DType::F32, {count(m)})})));
  std::vector<float> values(m);
  TRY(get(values.data(), data, m * sizeof(float)));
  for (size_t i = 0; i < m; ++i) jobs[i]->output = EntropyOutput{values[i]};
  return {};
}

Result<> Sampling::copy_row(const TensorView& rows, SamplingJob& job, std::vector<float>& values) {
  values.resize(static_cast<size_t>(rows.dims[1]));
  return get(values.data(), data_of<float>(rows) + int64_t{job.row} * rows.strides[0], values.size() * sizeof(float));
}

Result<> Sampling::run(const llm::StepResult& step, std::span<SamplingJob> jobs) {
  std::vector<SamplingJob*> draws, distributions, log_probs, entropies;
  for (SamplingJob& job : jobs) {
    if (std::holds_alternative<Draw>(*job.sampler)) draws.push_back(&job);
    if (std::holds_alternative<Distribution>(*job.sampler)) distributions.push_back(&job);
    if (std::holds_alternative<LogProbs>(*job.sampler)) log_probs.push_back(&job);
    if (std::holds_alternative<Entropy>(*job.sampler)) entropies.push_back(&job);
    if (std::holds_alternative<RawLogits>(*job.sampler)) {
      LogitsOutput output;
      TRY(copy_row(step.logits, job, output.logits));
      job.output = std::move(output);
    }
    if (std::holds_alternative<Embedding>(*job.sampler)) {
      EmbeddingOutput output;
      TRY(copy_row(step.hidden, job, output.values));
      job.output = std::move(output);
    }
  }
  TRY(in_blocks(draws, [&](Jobs block) { return draw(step.logits, block); }));
  TRY(in_blocks(log_probs, [&](Jobs block) { return log_probabilities(step.logits, block); }));
  TRY(in_blocks(entropies, [&](Jobs block) { return entropy(step.logits, block); }));
  // Softmax takes one temperature a call.
  const auto temperature = [](const SamplingJob* job) { return std::get<Distribution>(*job->sampler).temperature; };
  std::ranges::stable_sort(distributions, {}, temperature);
  for (size_t begin = 0; begin < distributions.size();) {
    size_t end = begin;
    while (end < distributions.size() && temperature(distributions[end]) == temperature(distributions[begin])) ++end;
    TRY(in_blocks(std::span(distributions).subspan(begin, end - begin),
                  [&](Jobs block) { return distribution(step.logits, block); }));
    begin = end;
  }
  return {};
}

}  // namespace hearth::engine
