#include "inferlet/wasm/engine.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "inferlet/wasm/code_cache.h"

namespace hearth::inferlet {
namespace {

// Handles of one guest in WASI's own tables: pollables, streams, descriptors.
constexpr uint32_t kMaxWasiHandles = 100'000;
constexpr uint64_t kWasmPage = 64 << 10;

void drop_resource(void* guest, uint32_t type, uint32_t rep) noexcept {
  static_cast<BoundGuest*>(guest)->resources.drop(type, rep);
}

struct DeleteCode {
  void operator()(hearth_wasm_code* code) const { hearth_wasm_code_delete(code); }
};
using WasmCode = std::unique_ptr<hearth_wasm_code, DeleteCode>;

// What the first bytes say, where wasmtime would speak of parsers.
Result<> check_kind(std::string_view wasm) {
  using std::string_view_literals::operator""sv;
  if (wasm.starts_with("\0asm\x01\0\0\0"sv)) {
    return fail(
        ErrorKind::Invalid,
        "[wasm] kind of file; got a core module, need a component: build it with `pie build`, or componentise it");
  }
  size_t text = wasm.find_first_not_of(" \t\r\n");
  bool is_text = text != std::string_view::npos && wasm.substr(text).starts_with("(component");
  if (!wasm.starts_with("\0asm"sv) && !is_text) {
    return fail(ErrorKind::Invalid, "[wasm] kind of file; got bytes that are no WebAssembly, need a component");
  }
  return {};
}

}  // namespace

Error to_error(const hearth_wasm_failure& failure) {
  std::string text(failure.text, failure.text_size);
  switch (failure.kind) {
    case HEARTH_WASM_INVALID:
      return {ErrorKind::Invalid, "[wasm] component; got " + text};
    case HEARTH_WASM_UNSUPPORTED:
      return {ErrorKind::Unsupported, "[wasm] imports; " + text};
    case HEARTH_WASM_TRAP:
      return {ErrorKind::Invalid, "[guest] trap: " + text};
    case HEARTH_WASM_MEMORY_LIMIT:
    case HEARTH_WASM_TIME_LIMIT:
      return {ErrorKind::Limit, "[guest] " + text};
    case HEARTH_WASM_CANCELLED:
      return {ErrorKind::Cancelled, "[guest] cancelled"};
    case HEARTH_WASM_EXIT:
      return {ErrorKind::Invalid, "[guest] " + text};
    case HEARTH_WASM_ERROR_VALUE:
      return {ErrorKind::Invalid, std::move(text)};
    default:
      return {ErrorKind::Internal, "[wasm] " + text};
  }
}

template <class Declare>
void Binder::under_each_name(const char* interface, const std::string& what, Declare declare) {
  std::vector<std::string> names{interface};
  if (!version_.empty() && names[0].starts_with(prefix_)) names.push_back(names[0] + "@" + version_);
  for (const std::string& name : names) {
    FailureClear failure;
    declare(name.c_str(), &failure.value);
    if (failure.value.kind != HEARTH_WASM_OK) log_error("{}: {}", what, to_error(failure.value).message);
    CHECK(failure.value.kind == HEARTH_WASM_OK);
  }
}

void Binder::resource(const char* interface, const char* name, uint32_t type) {
  under_each_name(interface, name, [&](const char* declared, hearth_wasm_failure* failure) {
    hearth_wasm_add_resource(engine_, declared, name, type, failure);
  });
}

void Binder::function(const char* interface, const std::string& name, const std::string& signature,
                      hearth_wasm_call call, void* function, bool is_async) {
  under_each_name(interface, name, [&](const char* declared, hearth_wasm_failure* failure) {
    hearth_wasm_add_function(engine_, declared, name.c_str(), signature.c_str(), call, function, is_async, failure);
  });
}

Result<std::unique_ptr<WasmEngine>> WasmEngine::create(const WasmOptions& options,
                                                       const std::function<void(Binder&)>& bind) {
  if (options.max_instances == 0 || options.max_instances > 100'000) {
    return fail(ErrorKind::Invalid, "[wasm] max_instances; got {}, need 1 to 100000", options.max_instances);
  }
  if (options.worker_threads == 0 || options.worker_threads > 1024) {
    return fail(ErrorKind::Invalid, "[wasm] worker_threads; got {}, need 1 to 1024", options.worker_threads);
  }
  if (options.memory_bytes < kWasmPage) {
    return fail(ErrorKind::Invalid, "[wasm] memory_bytes; got {}, need at least {}", options.memory_bytes, kWasmPage);
  }
  hearth_wasm_config config{};
  config.worker_threads = options.worker_threads;
  config.max_instances = options.max_instances;
  config.memory_bytes = options.memory_bytes;
  config.preempt_ms = std::max(1u, options.preempt_ms);
  config.max_resources = kMaxWasiHandles;
  config.drop = drop_resource;
  FailureClear failure;
  hearth_wasm_engine* engine = hearth_wasm_engine_new(&config, &failure.value);
  if (engine == nullptr) return std::unexpected(to_error(failure.value));
  std::unique_ptr<WasmEngine> result(new WasmEngine(engine, options.code_cache));
  Binder binder(engine);
  bind(binder);
  return result;
}

WasmEngine::WasmEngine(hearth_wasm_engine* engine, std::filesystem::path code_cache)
    : engine_(engine), code_cache_(std::move(code_cache)), key_(16, '0') {
  hearth_wasm_engine_key(engine_, key_.data());
}

WasmEngine::~WasmEngine() {
  hearth_wasm_engine_delete(engine_);
}

Result<WasmProgram> WasmEngine::load(std::string_view wasm, const std::string& digest) const {
  TRY(check_kind(wasm));
  CodeCache cache(code_cache_, digest + "-" + key_);
  FailureClear failure;
  WasmCode code;
  if (auto path = cache.find()) {
    code.reset(hearth_wasm_load(engine_, path->c_str(), &failure.value));
    if (!code) log_warning("{}; compiling again", to_error(failure.value).message);
  }
  if (!code) {
    hearth_wasm_failure_clear(&failure.value);
    code.reset(
        hearth_wasm_compile(engine_, reinterpret_cast<const uint8_t*>(wasm.data()), wasm.size(), &failure.value));
    if (!code) return std::unexpected(to_error(failure.value));
    if (cache.enabled()) {
      std::string bytes;
      auto take = [](void* user, const uint8_t* data, size_t size) {
        static_cast<std::string*>(user)->assign(reinterpret_cast<const char*>(data), size);
      };
      if (hearth_wasm_serialize(code.get(), take, &bytes, &failure.value)) {
        if (auto stored = cache.store(bytes); !stored) {  // slower next time, but right
          log_warning("{}; the compiled program is not kept", stored.error().message);
        }
      } else {
        log_warning("{}; the compiled program is not kept", to_error(failure.value).message);
        hearth_wasm_failure_clear(&failure.value);
      }
    }
  }
  WasmProgram program(hearth_wasm_link(engine_, code.get(), &failure.value));
  if (!program) return std::unexpected(to_error(failure.value));
  return program;
}

}  // namespace hearth::inferlet
