#include "pie/health.h"

#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "base/environment.h"
#include "base/file.h"
#include "base/process.h"
#include "cli/quantity.h"
#include "ops/cpu/isa.h"
#include "ops/cpu/thread_pool.h"
#include "pie/config.h"
#include "pie/model_store.h"
#include "pie/program_log.h"
#include "pie/shipped_inferlets.h"

namespace hearth::pie {
namespace fs = std::filesystem;
namespace {

using State = Finding::State;
constexpr uint64_t kNeededBytes = uint64_t{16} << 20;      // compiled inferlets; a load without room packs in memory
constexpr uint64_t kComfortableBytes = uint64_t{1} << 30;  // a small model and its caches

std::string line_of(const std::string& text, std::string_view key) {
  const size_t begin = text.find(key);
  if (begin == std::string::npos) return {};
  const size_t colon = text.find(':', begin);
  if (colon == std::string::npos) return {};
  return text.substr(colon + 1, std::min(text.find('\n', colon), text.size()) - colon - 1);
}

// /proc has no sizes, so it is read as a stream.
std::string proc_text(const char* path) {
  return read_file(path, 16 << 20).value_or("");
}

Finding look_at_memory() {
  uint64_t kilobytes = 0;
  std::istringstream(line_of(proc_text("/proc/meminfo"), "MemAvailable")) >> kilobytes;
  const uint64_t bytes = kilobytes * 1024;
  Finding finding{.topic = "memory", .detail = cli::bytes_text(bytes) + " free"};
  if (bytes < (uint64_t{512} << 20)) {
    finding.state = State::Bad;
    finding.fix = "the default model needs about 500 MB: end other programs or use a machine with more memory";
  }
  return finding;
}

Finding look_at_space(const fs::path& root) {
  fs::path existing = root;
  std::error_code code;
  while (!existing.empty() && !fs::exists(existing, code) && existing != existing.parent_path())
    existing = existing.parent_path();
  const auto space = fs::space(existing, code);
  Finding finding{.topic = "cache"};
  if (code || ::access(existing.c_str(), W_OK) != 0) {
    finding.state = State::Bad;
    finding.detail = fmt::format("{} cannot be written", root.string());
    finding.fix = "set PIE_CACHE_HOME to a folder that you may write";
    return finding;
  }
  finding.detail = fmt::format("{}: {} free", root.string(), cli::bytes_text(space.available));
  if (space.available < kComfortableBytes) {
    finding.state = space.available < kNeededBytes ? State::Bad : State::Missing;
    finding.fix = "free some space, or set PIE_CACHE_HOME to a folder on a larger disk";
  }
  return finding;
}

std::vector<Finding> look_at_toolchain() {
  std::vector<Finding> findings;
  Finding compiler{.topic = "guest compiler"};
  for (const char* name : {"clang++-19", "clang++"})
    if (const auto path = find_program(name); !path.empty()) {
      compiler.detail = path.string();
      break;
    }
  if (compiler.detail.empty()) {
    compiler.state = State::Missing;
    compiler.detail = "clang-19 is not there: `pie build` cannot compile inferlets (`pie run` can run built ones)";
    compiler.fix = "apt-get install clang-19 lld-19";
  }
  findings.push_back(std::move(compiler));
  struct Part {
    const char* path;
    const char* package;
  };
  static constexpr Part kParts[] = {
      {"/usr/include/wasm32-wasi/stdio.h", "wasi-libc"},
      {"/usr/lib/wasm32-wasi/libc.a", "wasi-libc"},
      {"/usr/lib/llvm-19/lib/wasm32-wasi/libc++.a", "libc++-19-dev-wasm32"},
      {"/usr/lib/llvm-19/lib/wasm32-wasi/libc++abi.a", "libc++abi-19-dev-wasm32"},
      {"/usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a", "libclang-rt-19-dev-wasm32"}};
  std::vector<std::string> packages;
  for (const auto& part : kParts) {
    std::error_code code;
    const bool known = std::find(packages.begin(), packages.end(), part.package) != packages.end();
    if (!fs::exists(part.path, code) && !known) packages.emplace_back(part.package);
  }
  Finding libraries{.topic = "guest libraries", .detail = "C and C++ libraries for wasm32-wasi"};
  if (!packages.empty()) {
    libraries.state = State::Missing;
    libraries.detail = fmt::format("missing for `pie build`: {}", fmt::join(packages, ", "));
    libraries.fix = fmt::format("apt-get install {}", fmt::join(packages, " "));
  }
  findings.push_back(std::move(libraries));
  return findings;
}

Finding look_at_gpu() {
  Finding finding{.topic = "gpu"};
  std::vector<std::string> nodes;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator("/dev", code)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with("nvidia") && name.size() > 6 && name[6] >= '0' && name[6] <= '9')
      nodes.push_back(entry.path().string());
  }
  std::sort(nodes.begin(), nodes.end());
  finding.detail = nodes.empty() ? "none (not needed: models run on the CPU)"
                                 : fmt::format("{} found, but this build has no CUDA backend: models run on the CPU",
                                               fmt::join(nodes, ", "));
  return finding;
}

void look_at_config(const fs::path& path, std::vector<Finding>& findings, Config& config) {
  Finding finding{.topic = "config"};
  auto loaded = load_config(path);
  if (!loaded) {
    finding.state = State::Bad;
    finding.detail = loaded.error().message;
    finding.fix =
        path.empty() ? "correct that line, or write a new file with `pie config init --force`" : "correct that line";
    findings.push_back(std::move(finding));
    return;
  }
  config = std::move(loaded).value();
  if (!config.engine.log_dir.empty()) {
    Finding log{.topic = "log", .detail = (fs::path(config.engine.log_dir) / "pie.log").string()};
    if (auto opened = open_program_log(config, {}); !opened) {
      log.state = State::Bad;
      log.detail = opened.error().message;
      log.fix = "set another folder with `pie config update --log-dir …`";
    }
    findings.push_back(std::move(log));
  }
  if (auto served = check_served(config); !served) {
    finding.state = State::Bad;
    finding.detail = served.error().message;
    finding.fix = "change it with `pie config update`";
  } else {
    finding.detail = config.path.empty() ? fmt::format("none at {}: the defaults hold", default_config_path().string())
                                         : config.path.string();
    for (const auto& line : idle_keys(config)) finding.detail += "; " + line;
  }
  findings.push_back(std::move(finding));
}

Finding look_at_model(const Config& config, const ModelSettings& settings) {
  Finding finding{.topic = "model"};
  const auto text = source_of(settings);
  const auto source = parse_source(text);
  if (!source) {
    finding.state = State::Bad;
    finding.detail = source.error().message;
    finding.fix = "change it with `pie config update --source …`";
    return finding;
  }
  if (source->kind == ModelSource::Kind::Dummy) {
    finding.detail = "dummy (made when it is used)";
    return finding;
  }
  const ModelStore store(cache_root(config.engine));
  const auto path = local_model_path(store, *source);
  std::error_code code;
  if (!path) {
    finding.state = State::Bad;
    finding.detail = path.error().message;
    finding.fix = source->kind == ModelSource::Kind::File ? "change it with `pie config update --source …`"
                                                          : fmt::format("pie model download {}", source->text());
    return finding;
  }
  finding.detail = fmt::format("{}: {}", text, path->string());
  if (const auto stored = store.find(*source)) {
    for (const auto& file : stored->files)
      if (const auto size = fs::file_size(stored->folder / file.name, code); code || size != file.size) {
        finding.state = State::Bad;
        finding.detail = fmt::format("{}: {} is not whole", text, (stored->folder / file.name).string());
        finding.fix = fmt::format("pie model download --again {}", text);
      }
  }
  return finding;
}

Finding look_at_inferlets() {
  Finding finding{.topic = "inferlets"};
  const auto names = shipped_inferlets();
  if (names.empty()) {
    finding.state = State::Missing;
    finding.detail = fmt::format("no std/ inferlets in {}", inferlet_folder().string());
    finding.fix = "build them with `./dev build`, or set PIE_SHARE to the folder that has inferlets/";
  } else {
    finding.detail = fmt::format("std/{}", fmt::join(names, ", std/"));
  }
  return finding;
}

Finding look_at_python() {
  Finding finding{.topic = "pip"};
  const auto exit = run_command({.argv = {"python3", "-m", "pip", "--version"}, .timeout = std::chrono::seconds(20)});
  if (exit && exit->code == 0) {
    finding.detail = exit->output.substr(0, exit->output.find(" from "));
  } else {
    finding.state = State::Missing;
    finding.detail = "python3 with pip is missing: pypi: sources cannot be downloaded";
    finding.fix = "apt-get install python3-pip";
  }
  return finding;
}

}  // namespace

Finding examine_cpu() {
  namespace cpu = ops::cpu;
  std::string name = line_of(proc_text("/proc/cpuinfo"), "model name");
  name.erase(0, name.find_first_not_of(' '));
  Finding finding{.topic = "cpu"};
  finding.detail =
      fmt::format("{}, {} cores for us, kernels: ", name.empty() ? "processor" : name, cpu::usable_cores());
  const auto best = cpu::best_isa();
  const auto chosen = cpu::choose_isa("");
  if (!chosen) {
    finding.state = State::Bad;
    finding.detail += fmt::format("none: {}", chosen.error().message);
    finding.fix = fmt::format("unset HEARTH_ISA, or set it to {} or less", cpu::to_string(best));
    return finding;
  }
  finding.detail += cpu::to_string(*chosen);
  if (*chosen != best) finding.detail += fmt::format(" (forced by HEARTH_ISA; best is {})", cpu::to_string(best));
  if (best != cpu::Isa::Avx512) {
    const auto next = best == cpu::Isa::Portable ? cpu::Isa::Avx2 : cpu::Isa::Avx512;
    finding.detail += fmt::format("; {} needs {}", cpu::to_string(next), fmt::join(cpu::missing_flags(next), ", "));
  }
  return finding;
}

std::vector<Finding> examine(const fs::path& path) {
  std::vector<Finding> findings;
  Config config = default_config();
  look_at_config(path, findings, config);
  findings.push_back(examine_cpu());
  findings.push_back(look_at_memory());
  findings.push_back(look_at_gpu());
  findings.push_back(look_at_space(cache_root(config.engine)));
  for (const auto& model : config.models) findings.push_back(look_at_model(config, model));
  findings.push_back(look_at_inferlets());
  findings.push_back(look_at_python());
  for (auto& finding : look_at_toolchain()) findings.push_back(std::move(finding));
  return findings;
}

}  // namespace hearth::pie
