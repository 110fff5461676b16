#include "pie/local_service.h"

#include <future>

#include "llm/chat_template.h"
#include "llm/model_file.h"
#include "llm/tokenizer.h"
#include "pie/model_store.h"
#include "pie/shipped_inferlets.h"

namespace hearth::pie {
namespace {

using TokenizerResult = Result<std::shared_ptr<const llm::Tokenizer>>;  // shared as the engine and guests hold it

TokenizerResult read_tokenizer(const llm::ModelFile& file, trace::Trace* trace) {
  const trace::Span span(trace, "tokenizer");
  return llm::Tokenizer::create(file.tokenizer());
}

// The template prints begin and end tokens as texts. A GGUF file lists the texts of all tokens; for a tokenizer.json
// one has to wait until it is read.
Result<std::shared_ptr<const llm::ChatTemplate>> read_template(const llm::ModelFile& file,
                                                               const std::shared_future<TokenizerResult>& tokenizer,
                                                               trace::Trace* trace) {
  const auto& source = file.tokenizer();
  if (source.tokens.empty() && !tokenizer.get()) return std::unexpected(tokenizer.get().error());
  const trace::Span span(trace, "chat template");
  const auto text_of = [&](const std::optional<uint32_t>& token) -> std::string {
    if (!source.tokens.empty()) return token && *token < source.tokens.size() ? source.tokens[*token] : "";
    return token ? std::string((*tokenizer.get())->text_of(*token)) : "";
  };
  if (!source.tokens.empty())
    return llm::ChatTemplate::create(file.chat_template(), text_of(source.bos), text_of(source.eos));
  const auto& made = **tokenizer.get();
  const auto eos = made.stop_tokens().empty() ? std::optional<uint32_t>() : made.stop_tokens().front();
  return llm::ChatTemplate::create(file.chat_template(), text_of(made.bos()), text_of(source.eos ? source.eos : eos));
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
  return {.prepared_dir = ModelStore(cache_root(config.engine)).prepared(),
          .max_step_tokens = model.max_batch_tokens,
          .page_size = model.kv_page_size,
          .max_context = model.context_length};
}

Result<std::unique_ptr<LocalService>> LocalService::start(const ServicePlan& plan) {
  const auto& settings = plan.config->models;
  CHECK(plan.model_paths.size() == settings.size());
  std::unique_ptr<LocalService> service(new LocalService);
  service->engine_ = std::make_unique<engine::Engine>(engine_options(settings.front(), plan.trace));

  std::vector<std::shared_ptr<llm::ModelFile>> files;  // shared: weights may use a file's bytes in place
  std::vector<std::future<Result<std::unique_ptr<llm::Model>>>> weights;
  std::vector<std::shared_future<TokenizerResult>> tokenizers;
  // The futures wait for their tasks on every way out: the tasks use the devices and files.
  for (size_t i = 0; i < settings.size(); ++i) {
    const trace::Span span(plan.trace, "model file");
    ASSIGN_OR_RETURN(auto device,
                     ops::open_device(settings[i].device.front(), {.threads = static_cast<int>(settings[i].threads)}));
    service->devices_.push_back(std::move(device));
    ASSIGN_OR_RETURN(auto opened, llm::open_model_file(plan.model_paths[i]));
    const auto file = files.emplace_back(std::move(opened));
    tokenizers.push_back(std::async(std::launch::async, [file, &plan] { return read_tokenizer(*file, plan.trace); }));
    weights.push_back(std::async(std::launch::async, [file, &plan, &device = *service->devices_.back(), i] {
      return read_weights(file, device, load_options(*plan.config, plan.config->models[i]), plan.trace);
    }));
  }
  std::vector<inferlet::ModelServices> services;
  for (size_t i = 0; i < settings.size(); ++i) {
    ASSIGN_OR_RETURN(auto chat, read_template(*files[i], tokenizers[i], plan.trace));
    services.push_back({std::move(chat)});
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
    ASSIGN_OR_RETURN(auto tokenizer, tokenizers[i].get());
    ASSIGN_OR_RETURN(auto model, weights[i].get());
    ASSIGN_OR_RETURN(const auto id,
                     service->engine_->add_model(name_of(settings[i]), std::move(model), std::move(tokenizer)));
    service->models_.push_back(id);
  }
  return service;
}

}  // namespace hearth::pie
