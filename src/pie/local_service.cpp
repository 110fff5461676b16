#include "pie/local_service.h"

#include <future>

#include "llm/chat_template.h"
#include "llm/model_file.h"
#include "llm/tokenizer.h"
#include "pie/shipped_inferlets.h"

namespace hearth::pie {
namespace {

// What a model needs beside its weights.
struct Words {
  std::shared_ptr<const llm::Tokenizer> tokenizer;
  std::shared_ptr<const llm::ChatTemplate> chat;
};

Result<Words> read_words(const llm::ModelFile& file, trace::Trace* trace) {
  Words words;
  {
    const trace::Span span(trace, "tokenizer");
    ASSIGN_OR_RETURN(words.tokenizer, llm::Tokenizer::create(file.tokenizer()));
  }
  const trace::Span span(trace, "chat template");
  const auto text_of = [&](const std::optional<uint32_t>& token) {
    return token ? std::string(words.tokenizer->text_of(*token)) : std::string();
  };
  ASSIGN_OR_RETURN(words.chat, llm::ChatTemplate::create(file.chat_template(), text_of(file.tokenizer().bos),
                                                         text_of(file.tokenizer().eos)));
  return words;
}

Result<std::unique_ptr<llm::Model>> read_weights(std::shared_ptr<llm::ModelFile> file, ops::Device& device,
                                                 const llm::LoadOptions& options, trace::Trace* trace) {
  const trace::Span span(trace, "weights");
  return llm::Model::load(std::move(file), device, options);
}

engine::EngineOptions engine_options(const ModelSettings& model, trace::Trace* trace) {
  engine::EngineOptions options;
  options.page_size = model.kv_page_size;
  options.max_step_tokens = model.max_batch_tokens;
  options.kv_bytes = static_cast<size_t>(model.kv_cache_mb) << 20;
  options.random_seed = static_cast<uint64_t>(model.random_seed);
  options.trace = trace;
  return options;
}

inferlet::RuntimeOptions runtime_options(const Config& config) {
  inferlet::RuntimeOptions options;
  options.worker_threads = static_cast<int>(config.engine.worker_threads);
  options.memory_bytes = static_cast<uint64_t>(config.engine.guest_memory_mb) << 20;
  options.time_ms = static_cast<uint64_t>(config.engine.guest_time_limit_s * 1000 + 0.5);
  options.code_cache = cache_root(config.engine) / "code";
  options.resolve_program = find_inferlet;
  return options;
}

}  // namespace

llm::LoadOptions load_options(const Config& config, const ModelSettings& model) {
  return {.prepared_dir = cache_root(config.engine) / "prepared",
          .max_step_tokens = model.max_batch_tokens,
          .page_size = model.kv_page_size};
}

Result<std::unique_ptr<LocalService>> LocalService::start(const ServicePlan& plan) {
  const auto& settings = plan.config->models;
  CHECK(plan.model_paths.size() == settings.size());
  std::unique_ptr<LocalService> service(new LocalService);
  service->engine_ = std::make_unique<engine::Engine>(engine_options(settings.front(), plan.trace));

  std::vector<std::future<Result<Words>>> words;
  std::vector<std::future<Result<std::unique_ptr<llm::Model>>>> weights;
  std::vector<inferlet::ModelServices> services;
  // The futures are waited for on every way out: they use the devices.
  for (size_t i = 0; i < settings.size(); ++i) {
    const trace::Span span(plan.trace, "model file");
    ASSIGN_OR_RETURN(auto device,
                     ops::open_device(settings[i].device.front(), {.threads = static_cast<int>(settings[i].threads)}));
    service->devices_.push_back(std::move(device));
    ASSIGN_OR_RETURN(auto opened, llm::open_model_file(plan.model_paths[i]));
    // Shared between the weights, which may use its bytes in place, and the task that reads its words.
    std::shared_ptr<llm::ModelFile> file = std::move(opened);
    weights.push_back(std::async(std::launch::async, [file, &plan, &device = *service->devices_.back(), i] {
      return read_weights(file, device, load_options(*plan.config, plan.config->models[i]), plan.trace);
    }));
    words.push_back(std::async(std::launch::async, [file, &plan] { return read_words(*file, plan.trace); }));
  }
  std::vector<std::shared_ptr<const llm::Tokenizer>> tokenizers;
  for (auto& future : words) {
    ASSIGN_OR_RETURN(auto ready, future.get());
    tokenizers.push_back(std::move(ready.tokenizer));
    services.push_back({std::move(ready.chat)});
  }
  {
    const trace::Span span(plan.trace, "runtime");
    ASSIGN_OR_RETURN(service->runtime_,
                     inferlet::Runtime::create(runtime_options(*plan.config), *service->engine_, std::move(services)));
  }
  if (!plan.program.empty()) {
    const trace::Span span(plan.trace, "inferlet");
    ASSIGN_OR_RETURN(service->program_, service->runtime_->load(plan.program));
  }
  for (size_t i = 0; i < settings.size(); ++i) {
    ASSIGN_OR_RETURN(auto model, weights[i].get());
    ASSIGN_OR_RETURN(const auto id, service->engine_->add_model(name_of(settings[i]), std::move(model), tokenizers[i]));
    service->models_.push_back(id);
  }
  return service;
}

}  // namespace hearth::pie
