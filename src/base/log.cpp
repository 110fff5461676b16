#include "base/log.h"

#include <spdlog/details/null_mutex.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cstdio>
#include <memory>

namespace hearth {
namespace {

spdlog::level::level_enum spd(LogLevel level) {
  switch (level) {
    case LogLevel::Debug:
      return spdlog::level::debug;
    case LogLevel::Info:
      return spdlog::level::info;
    case LogLevel::Warning:
      return spdlog::level::warn;
    case LogLevel::Error:
      return spdlog::level::err;
    case LogLevel::Off:
      break;
  }
  return spdlog::level::off;
}

LogLevel level_of(spdlog::level::level_enum level) {
  if (level <= spdlog::level::debug) return LogLevel::Debug;
  if (level == spdlog::level::info) return LogLevel::Info;
  return level == spdlog::level::warn ? LogLevel::Warning : LogLevel::Error;
}

// Without a lock: the function may wait for one that the next writer holds.
class FunctionSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit FunctionSink(decltype(LogOptions::function) function) : function_(std::move(function)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    function_(level_of(message.level), std::string_view(message.payload.data(), message.payload.size()));
  }
  void flush_() override {}
  decltype(LogOptions::function) function_;
};

// The one mutable global of the house. Shared, because a thread may still be writing while the log is opened anew.
std::shared_ptr<spdlog::logger>& sink() {
  static std::shared_ptr<spdlog::logger> logger = std::make_shared<spdlog::logger>("closed");
  return logger;
}

}  // namespace

Result<> open_log(const LogOptions& options) {
  std::vector<spdlog::sink_ptr> sinks;
  auto terminal = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  terminal->set_level(spd(options.stderr_level));
  terminal->set_pattern("%l: %v");
  sinks.push_back(terminal);
  LogLevel lowest = options.stderr_level;
  if (!options.file.empty()) {
    try {
      auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file.string());
      file->set_level(spd(options.file_level));
      file->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
      sinks.push_back(file);
    } catch (const spdlog::spdlog_ex& error) {
      return fail(ErrorKind::Io, "[log] {}", error.what());
    }
    lowest = std::min(lowest, options.file_level);
  }
  if (options.function) {
    auto function = std::make_shared<FunctionSink>(options.function);
    function->set_level(spd(options.function_level));
    sinks.push_back(function);
    lowest = std::min(lowest, options.function_level);
  }
  auto logger = std::make_shared<spdlog::logger>("hearth", sinks.begin(), sinks.end());
  logger->set_level(spd(lowest));
  logger->flush_on(spdlog::level::info);
  std::atomic_store(&sink(), logger);
  return {};
}

bool log_enabled(LogLevel level) {
  const auto logger = std::atomic_load(&sink());
  return !logger->sinks().empty() && logger->should_log(spd(level));
}

void write_log(LogLevel level, std::string_view text) {
  std::atomic_load(&sink())->log(spd(level), spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace hearth
