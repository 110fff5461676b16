// The parts of the engine put together in this process: devices, models, batching engine, guest runtime. What `pie run`
// starts for one inferlet and a server would keep.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "inferlet/runtime.h"
#include "ops/device.h"
#include "pie/config.h"
#include "trace/trace.h"

namespace hearth::pie {

// How a model of the configuration is loaded for serving.
llm::LoadOptions load_options(const Config& config, const ModelSettings& model);

struct ServicePlan {
  const Config* config = nullptr;
  std::vector<std::filesystem::path> model_paths;  // one for each model of the configuration
  std::filesystem::path program;                   // loaded beside the models, to save time; empty: none
  trace::Trace* trace = nullptr;                   // may be null; must outlive the service
};

class LocalService {
 public:
  // Everything that does not wait for something else starts at once, on threads of its own.
  static Result<std::unique_ptr<LocalService>> start(const ServicePlan& plan);

  engine::Engine& engine() { return *engine_; }
  inferlet::Runtime& runtime() { return *runtime_; }
  const std::shared_ptr<inferlet::Program>& program() const { return program_; }  // of ServicePlan::program
  const std::vector<engine::ModelId>& models() const { return models_; }          // in the configuration's order

 private:
  LocalService() = default;
  // Ended in reverse order: guests, then the engine, then what it computes on.
  std::vector<std::unique_ptr<ops::Device>> devices_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<inferlet::Runtime> runtime_;
  std::shared_ptr<inferlet::Program> program_;  // shared with its processes
  std::vector<engine::ModelId> models_;
};

}  // namespace hearth::pie
