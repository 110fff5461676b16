// A runtime over an engine without models or with a small random one ("tiny"), and processes whose words are kept.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "engine/engine.h"
#include "inferlet/runtime.h"
#include "support/temporary_folder.h"
#include "wat.h"

namespace hearth::inferlet {

// What one process said, in order.
class Record {
 public:
  ProcessEvents events();
  // Waits for on_exit; an empty optional when it does not come in time.
  std::optional<Result<std::string>> wait(std::chrono::milliseconds limit = std::chrono::seconds(20));
  bool wait_for_message(size_t count, std::chrono::milliseconds limit = std::chrono::seconds(20));

  std::mutex mutex;
  std::condition_variable changed;
  std::string out, err;
  std::vector<std::string> messages, files, order;
  std::optional<Result<std::string>> exit;
  int exits = 0;
};

class Harness {
 public:
  explicit Harness(RuntimeOptions options = {}, bool with_model = false);
  ~Harness();
  // A guest of tests/guests, built with the C++ library.
  std::unique_ptr<Process> launch_guest(const std::string& name, Record& record, std::string input);
  Result<std::string> run_guest(const std::string& name, std::string input);
  std::filesystem::path write(const std::string& name, const std::string& wat) const;
  Result<std::shared_ptr<Program>> load(const Wat& wat) const;
  // Loads, launches and waits.
  Result<std::string> run(const Wat& wat, std::string input = {}, std::vector<std::string> arguments = {});
  std::unique_ptr<Process> launch(const Wat& wat, Record& record, std::string input = {});

  TemporaryFolder folder;
  std::unique_ptr<ops::Device> device;
  Record last;  // of run(); outlives the runtime, which may still write into it
  engine::Engine engine{engine::EngineOptions{}};
  std::unique_ptr<Runtime> runtime;
};

}  // namespace hearth::inferlet
