#include "pyflame_rt/core/session.hpp"

#include <malloc.h>

#include <algorithm>

#include "graph/text.h"
#include "pyflame_rt/convert.h"
#include "pyflame_rt/custom.h"
#include "pyflame_rt/device.h"
#include "runtime/session.h"

namespace pyflame_rt {

namespace {

using hearth::graph::TypeKind;

PortInfo port_info(const hearth::runtime::Session::Port& port) {
  PortInfo info;
  info.name = port.name;
  info.type = hearth::graph::ort_type_string(port.type);
  if (port.type.kind != TypeKind::Tensor) return info;
  if (port.type.dtype) info.dtype = data_type_of(*port.type.dtype);
  if (!port.type.shape) return info;
  info.has_shape = true;
  for (const auto& dimension : *port.type.shape) {
    info.shape.push_back(dimension.known() ? dimension.size : -1);
    info.symbols.push_back(dimension.symbol);
  }
  return info;
}

std::vector<PortInfo> port_infos(const std::vector<hearth::runtime::Session::Port>& ports) {
  std::vector<PortInfo> infos;
  for (const auto& port : ports) infos.push_back(port_info(port));
  return infos;
}

// What the C library holds free goes back as well: it keeps tens of megabytes where large blocks came and went.
void give_to_system() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

// The caller's allocator may throw; nothing below this does.
hearth::runtime::CallerMemory::Allocator adapt_allocator(const SessionOptions& options) {
  const bool custom = options.memory_pool == MemoryPool::Custom;
  if (custom != static_cast<bool>(options.allocator))
    throw Error(ErrorCode::InvalidArgument, custom ? "[SessionOptions] memory_pool 'custom' needs an allocator"
                                                   : "[SessionOptions] an allocator needs memory_pool 'custom'");
  if (!custom) return nullptr;
  return [allocator = options.allocator](size_t bytes) -> hearth::Result<std::shared_ptr<std::byte>> {
    try {
      return std::static_pointer_cast<std::byte>(allocator(bytes));
    } catch (const std::exception& error) {
      return hearth::fail(hearth::ErrorKind::Limit, "[memory] the allocator failed: {}", error.what());
    }
  };
}

hearth::runtime::SessionOptions session_options(const SessionOptions& options, const CompileOptions& compile,
                                                const std::vector<CustomOperator>& operators) {
  hearth::runtime::SessionOptions made;
  if (options.num_threads < 0)
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("[SessionOptions] num_threads; got {}, need at least 0", options.num_threads));
  if (options.memory_limit_mb < 0 || options.memory_limit_mb > (int64_t{1} << 40))
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("[SessionOptions] memory_limit_mb; got {}, need 0 to 2^40", options.memory_limit_mb));
  made.level = static_cast<hearth::runtime::OptLevel>(options.optimization_level);
  made.disabled_passes = options.disabled_passes;
  made.threads = options.num_threads;
  made.memory_limit = static_cast<size_t>(options.memory_limit_mb) << 20;
  made.keep_memory = options.enable_memory_reuse;
  made.precision =
      options.precision == Precision::BFloat16 ? hearth::runtime::Precision::BF16 : hearth::runtime::Precision::F32;
  made.dynamic_batch = compile.dynamic_batch;
  made.cache_dir = compile.cache_dir;
  if (compile.cache_limit_mb < 0 || compile.cache_limit_mb > (int64_t{1} << 40))
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("[CompileOptions] cache_limit_mb; got {}, need 0 to 2^40", compile.cache_limit_mb));
  made.cache_bytes = static_cast<uint64_t>(compile.cache_limit_mb) << 20;
  made.shrink_memory = options.memory_pool != MemoryPool::Arena;
  made.allocator = adapt_allocator(options);
  for (const auto& [name, shape] : compile.input_shapes) {
    hearth::graph::Shape fixed;
    for (const int64_t size : shape) {
      if (size < -1)
        throw Error(ErrorCode::InvalidArgument,
                    fmt::format("[CompileOptions] input_shapes['{}']; got {}, need -1 or a size", name, size));
      fixed.push_back(size >= 0 ? hearth::graph::Dimension(size) : hearth::graph::Dimension());
    }
    made.input_shapes[name] = std::move(fixed);
  }
  for (const CustomOperator& custom : operators)
    if (!made.custom.by_name.emplace(std::pair(custom.domain, custom.op_type), adapt(custom)).second)
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("[CustomOperator] {}.{} is given twice", custom.domain, custom.op_type));
  return made;
}

}  // namespace

struct InferenceSession::Impl {
  std::unique_ptr<hearth::runtime::Session> session;
  std::vector<PortInfo> inputs, overridable, outputs;
  std::unique_ptr<hearth::trace::Trace> trace;  // with enable_profiling

  Impl(std::unique_ptr<hearth::runtime::Session> opened, const SessionOptions& options) : session(std::move(opened)) {
    inputs = port_infos(session->inputs());
    overridable = port_infos(session->overridable());
    outputs = port_infos(session->outputs());
    if (options.enable_profiling) trace = std::make_unique<hearth::trace::Trace>();
  }

  std::vector<Value> run(const Feeds& feeds, const std::vector<std::string>& names, const RunOptions& options,
                         std::vector<hearth::runtime::OpTiming>* timings) {
    std::vector<hearth::runtime::Feed> given;
    given.reserve(feeds.size());
    for (const auto& [name, value] : feeds) given.push_back({name, from_public(value)});
    hearth::runtime::RunOptions how{.timings = timings, .trace = trace.get()};
    if (options.cancel) how.cancelled = options.cancel->flag();
    if (options.timeout) how.deadline = std::chrono::steady_clock::now() + *options.timeout;
    const auto results = value_or_raise(session->run(given, names, how));
    std::vector<Value> values;
    values.reserve(results.size());
    for (const auto& result : results) values.push_back(to_public(result));
    return values;
  }
};

InferenceSession::InferenceSession(const std::string& path, const SessionOptions& options,
                                   const CompileOptions& compile, const std::vector<CustomOperator>& operators) {
  check_device(options);
  impl_ = std::make_unique<Impl>(value_or_raise(hearth::runtime::Session::open(
                                     std::filesystem::path(path), session_options(options, compile, operators))),
                                 options);
}

InferenceSession::InferenceSession(const void* data, size_t bytes, const SessionOptions& options,
                                   const CompileOptions& compile, const std::vector<CustomOperator>& operators) {
  check_device(options);
  // A copy: the caller's memory may go when this returns, and the model's constants borrow from it.
  auto copy = std::make_shared<std::vector<std::byte>>(static_cast<const std::byte*>(data),
                                                       static_cast<const std::byte*>(data) + bytes);
  impl_ = std::make_unique<Impl>(
      value_or_raise(hearth::runtime::Session::open(std::span<const std::byte>(*copy), copy,
                                                    session_options(options, compile, operators))),
      options);
}

InferenceSession::~InferenceSession() {
  if (impl_ == nullptr) return;  // moved from
  impl_.reset();
  give_to_system();
}
InferenceSession::InferenceSession(InferenceSession&&) noexcept = default;
InferenceSession& InferenceSession::operator=(InferenceSession&&) noexcept = default;

const std::vector<PortInfo>& InferenceSession::inputs() const {
  return impl_->inputs;
}
const std::vector<PortInfo>& InferenceSession::overridable_initializers() const {
  return impl_->overridable;
}
const std::vector<PortInfo>& InferenceSession::outputs() const {
  return impl_->outputs;
}
const std::map<std::string, std::string>& InferenceSession::metadata() const {
  return impl_->session->model().metadata;
}

ModelInfo InferenceSession::model_info() const {
  const hearth::graph::Model& model = impl_->session->model();
  return {.producer_name = model.producer_name,
          .producer_version = model.producer_version,
          .domain = model.domain,
          .description = model.doc,
          .graph_name = model.graph.name,
          .graph_description = model.graph.doc,
          .version = model.model_version,
          .metadata = model.metadata};
}

std::vector<Value> InferenceSession::run(const Feeds& feeds, const std::vector<std::string>& outputs,
                                         const RunOptions& options) {
  return impl_->run(feeds, outputs, options, nullptr);
}

std::vector<Value> InferenceSession::run_with_profiling(const Feeds& feeds, Profile& profile,
                                                        const std::vector<std::string>& outputs,
                                                        const RunOptions& options) {
  using Microseconds = std::chrono::duration<double, std::micro>;
  std::vector<hearth::runtime::OpTiming> timings;
  const auto begin = std::chrono::steady_clock::now();
  auto values = impl_->run(feeds, outputs, options, &timings);
  profile = {};
  profile.total_us = Microseconds(std::chrono::steady_clock::now() - begin).count();
  double sum = 0;
  for (const auto& timing : timings) {
    const auto& node = *timing.step->node;
    const double duration = Microseconds(timing.end - timing.begin).count();
    profile.operations.push_back({node.name.empty() ? node.op_type : node.name, node.op_type, duration, 0});
    sum += duration;
  }
  for (auto& operation : profile.operations) operation.percentage = sum > 0 ? 100 * operation.duration_us / sum : 0;
  return values;
}

MemoryInfo InferenceSession::memory() const {
  const auto stats = impl_->session->memory();
  return {stats.in_use, stats.kept, stats.peak, stats.limit};
}

void InferenceSession::trim_memory() {
  impl_->session->trim_memory();
  give_to_system();
}

std::vector<PassInfo> InferenceSession::passes() const {
  std::vector<PassInfo> infos;
  for (const auto& pass : impl_->session->report().passes)
    infos.push_back({std::string(pass.name), pass.changes, std::chrono::duration<double, std::micro>(pass.time).count(),
                     pass.disabled});
  return infos;
}

bool InferenceSession::from_cache() const {
  return impl_->session->from_cache();
}

std::string InferenceSession::profile_json() const {
  if (impl_->trace == nullptr)
    throw Error(ErrorCode::InvalidArgument, "[profile] nothing was recorded: the option enable_profiling is off");
  return impl_->trace->json();
}

std::string InferenceSession::optimized_text(int64_t max_elements) const {
  return hearth::graph::to_text(impl_->session->model(), {.max_elements = max_elements});
}

}  // namespace pyflame_rt
