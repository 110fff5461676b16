#include "runtime/session.h"

#include <algorithm>
#include <set>

#include "base/nearest_word.h"
#include "base/quote_bytes.h"
#include "graph/infer_shapes.h"
#include "graph/inline_functions.h"
#include "graph/internal_operators.h"
#include "graph/verify.h"
#include "import/read_model.h"
#include "runtime/compiled_cache.h"
#include "runtime/pack.h"

namespace hearth::runtime {

namespace {

using graph::Dimension;
using graph::Type;
using graph::TypeKind;
using graph::ValueId;

std::string names_of(const std::vector<Session::Port>& ports) {
  std::vector<std::string_view> names;
  for (const auto& port : ports) names.push_back(port.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// Does a fed value agree with the declared type? Symbols get their size from the first input that has them.
Result<> check_feed(const std::string& name, const Type& type, const Value& value,
                    std::map<std::string, int64_t>& symbols) {
  const auto wrong = [&](std::string_view got) {
    return fail(ErrorKind::Invalid, "[input '{}'] type; got {}, need {}", name, got, graph::to_string(type));
  };
  if (type.kind == TypeKind::Optional)
    return value.empty() ? Result<>() : check_feed(name, *type.inner, value, symbols);
  if (value.empty()) return wrong("nothing");
  if (type.kind == TypeKind::Sequence) return value.sequence() != nullptr ? Result<>() : wrong("no sequence");
  if (type.kind == TypeKind::Map) return value.map() != nullptr ? Result<>() : wrong("no map");
  const Tensor* tensor = value.tensor();
  if (tensor == nullptr) return type.kind == TypeKind::Unknown ? Result<>() : wrong("no tensor");
  if (type.dtype && *type.dtype != tensor->dtype())
    return wrong(fmt::format("{}{}", graph::onnx_name(tensor->dtype()), to_string(tensor->dims())));
  if (!type.shape) return {};
  if (type.shape->size() != tensor->dims().size())
    return fail(ErrorKind::Invalid, "[input '{}'] rank; got {} {}, need {} {}", name, tensor->rank(),
                to_string(tensor->dims()), type.shape->size(), graph::to_string(type));
  for (size_t i = 0; i < type.shape->size(); ++i) {
    const Dimension& dimension = (*type.shape)[i];
    const int64_t got = tensor->dims()[i];
    if (dimension.known() && dimension.size != got)
      return fail(ErrorKind::Invalid, "[input '{}'] dimension {}; got {}, need {} ({})", name, i, got, dimension.size,
                  graph::to_string(type));
    if (dimension.symbol.empty()) continue;
    const auto [at, fresh] = symbols.emplace(dimension.symbol, got);
    if (!fresh && at->second != got)
      return fail(ErrorKind::Invalid, "[input '{}'] dimension {} ('{}'); got {}, need {} as in the inputs before it",
                  name, i, dimension.symbol, got, at->second);
  }
  return {};
}

// An output belongs to the caller alone: what is still a constant's or a feed's memory is copied, and what would keep
// the run's whole arena.
Result<Value> owned(Value value, std::span<const std::byte> arena, TensorMemory& memory) {
  const Tensor* tensor = value.tensor();
  if (tensor == nullptr) return value;
  const auto* data = static_cast<const std::byte*>(tensor->raw());
  const bool in_arena = !std::less<>()(data, arena.data()) && std::less<>()(data, arena.data() + arena.size());
  if (tensor->writable() && !in_arena) return value;
  ASSIGN_OR_RETURN(Tensor copy, tensor->clone(memory));
  return Value(std::move(copy));
}

void forget_symbols(Type& type, const std::set<std::string>& symbols) {
  if (!type.shape) return;
  for (Dimension& size : *type.shape)
    if (symbols.contains(size.symbol)) size.symbol.clear();
}

// What the compiled form of a model depends on besides the model, for the cache.
std::string text_of(const SessionOptions& options) {
  std::vector<std::string> disabled = options.disabled_passes;
  std::ranges::sort(disabled);
  std::string text =
      fmt::format("level {}\nprecision {}\ndynamic batch {}\ndisabled {}\n", static_cast<int>(options.level),
                  static_cast<int>(options.precision), options.dynamic_batch, fmt::join(disabled, ","));
  for (const auto& [name, shape] : options.input_shapes)
    text += fmt::format("shape {} {}\n", quote_bytes(name, name.size()), graph::to_string(shape));
  for (const auto& [name, custom] : options.custom.by_name)
    text += fmt::format("custom {} {}\n", quote_bytes(name.first, name.first.size()),
                        quote_bytes(name.second, name.second.size()));
  return text;
}

}  // namespace

Session::Session(graph::Model model, SessionOptions options)
    : options_(std::move(options)),
      model_(std::move(model)),
      memory_(options_.memory_limit),
      pool_(options_.threads > 0 ? options_.threads : ops::cpu::usable_cores()) {
  if (options_.allocator) caller_memory_ = std::make_unique<CallerMemory>(options_.allocator, options_.memory_limit);
}

TensorMemory& Session::tensor_memory() {
  if (caller_memory_ != nullptr) return *caller_memory_;
  return memory_;
}

Result<std::unique_ptr<Session>> Session::make(graph::Model model, SessionOptions options, const CompiledCache* cache) {
  auto session = std::unique_ptr<Session>(new Session(std::move(model), std::move(options)));
  TRY(session->check_options());
  TRY(session->prepare(cache));
  return session;
}

template <class Read>
Result<std::unique_ptr<Session>> Session::open_cached(const CompiledCache& cache, Read&& read, SessionOptions options) {
  if (auto model = cache.load()) {
    auto session = std::unique_ptr<Session>(new Session(std::move(*model), options));
    TRY(session->check_options());
    auto ready = session->adopt();
    if (ready) return session;
    cache.drop(ready.error().message);
  }
  ASSIGN_OR_RETURN(graph::Model model, read());
  return make(std::move(model), std::move(options), &cache);
}

Result<std::unique_ptr<Session>> Session::open(const std::filesystem::path& path, SessionOptions options) {
  const auto read = [&] { return import::read_model(path); };
  if (!options.cache_dir.empty()) {
    ASSIGN_OR_RETURN(const auto cache, CompiledCache::of_file(options.cache_dir, path, text_of(options)));
    return open_cached(cache, read, std::move(options));
  }
  ASSIGN_OR_RETURN(graph::Model model, read());
  return make(std::move(model), std::move(options), nullptr);
}

Result<std::unique_ptr<Session>> Session::open(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                               SessionOptions options) {
  const auto read = [&] { return import::read_model(bytes, std::move(owner)); };
  if (!options.cache_dir.empty()) {
    ASSIGN_OR_RETURN(const auto cache, CompiledCache::of_bytes(options.cache_dir, bytes, text_of(options)));
    return open_cached(cache, read, std::move(options));
  }
  ASSIGN_OR_RETURN(graph::Model model, read());
  return make(std::move(model), std::move(options), nullptr);
}

Result<std::unique_ptr<Session>> Session::open(graph::Model model, SessionOptions options) {
  if (!options.cache_dir.empty())
    return fail(ErrorKind::Usage, "[cache] a model that is in memory cannot be told from others; need a file or bytes");
  return make(std::move(model), std::move(options), nullptr);
}

bool Session::knows(std::string_view domain, std::string_view op_type) const {
  return options_.custom.find(domain, op_type) != nullptr;
}

Result<> Session::check_options() const {
  for (const auto& [name, custom] : options_.custom.by_name)
    if (name.first == graph::kInternalDomain)
      return fail(ErrorKind::Usage, "[custom operators] domain of '{}'; got '{}', which is the runtime's own",
                  name.second, name.first);
  const bool packs = options_.level >= OptLevel::All &&
                     std::ranges::find(options_.disabled_passes, "pack_weights") == options_.disabled_passes.end();
  if (options_.precision != Precision::F32 && !packs)
    return fail(ErrorKind::Usage, "[precision] bf16; need optimisation level 3 with the pass pack_weights");
  return {};
}

// Inputs' first sizes become symbols again.
void Session::open_batch() {
  std::map<std::string, graph::Shape> shapes = options_.input_shapes;
  for (const ValueId id : model_.graph.inputs) {
    const graph::ValueInfo& value = model_.graph.value(id);
    const auto given = shapes.find(value.name);
    if (value.constant || value.type.kind != TypeKind::Tensor ||
        (given == shapes.end() && !options_.input_shapes.empty()))
      continue;
    if (given == shapes.end() && !value.type.shape) continue;
    const graph::Shape* declared = value.type.shape ? &*value.type.shape : nullptr;
    graph::Shape shape = given != shapes.end() ? given->second : *declared;
    if (shape.empty()) continue;
    const bool named = declared != nullptr && !declared->empty() && !declared->front().symbol.empty();
    shape[0] = Dimension(named ? declared->front().symbol : std::string("batch"));
    shapes[value.name] = std::move(shape);
  }
  options_.input_shapes = std::move(shapes);
}

void Session::find_ports() {
  const graph::Graph& graph = model_.graph;
  for (const ValueId id : graph.inputs) {
    const graph::ValueInfo& value = graph.value(id);
    input_types_.push_back(value.type);
    (value.constant ? overridable_ : inputs_).push_back({value.name, value.type});
  }
  for (const ValueId id : graph.outputs) outputs_.push_back({graph.value(id).name, graph.value(id).type});
}

Result<> Session::prepare(const CompiledCache* cache) {
  TRY(graph::inline_functions(model_));
  const auto custom = [this](std::string_view domain, std::string_view op_type) { return knows(domain, op_type); };
  TRY(graph::verify(model_, {.custom = custom}));
  if (options_.dynamic_batch) open_batch();
  // Passes judge by symbols which sizes are equal; the model's callers see those of the model alone.
  std::set<std::string> named;
  TRY(graph::infer_shapes(model_, {.input_shapes = options_.input_shapes,
                                   .named = options_.level >= OptLevel::Extended ? &named : nullptr}));
  find_ports();
  for (auto* ports : {&inputs_, &overridable_, &outputs_})
    for (Port& port : *ports) forget_symbols(port.type, named);
  for (Type& type : input_types_) forget_symbols(type, named);

  passes::Options pass_options{.level = options_.level, .disabled = options_.disabled_passes};
  pass_options.is_custom = custom;
  pass_options.evaluate = [this](const graph::Node& node, int64_t opset, std::span<const Value> values) {
    RunContext context{.memory = &tensor_memory()};
    return evaluate_node(node, opset, values, context);
  };
  WeightPacker packer(options_.precision == Precision::BF16 ? ops::cpu::Factors::BF16 : ops::cpu::Factors::F32);
  pass_options.pack = packer.pass();
  ASSIGN_OR_RETURN(report_, passes::run_passes(model_, pass_options));
  const auto begin = std::chrono::steady_clock::now();
  TRY(packer.write(pool_));
  for (passes::PassReport& pass : report_.passes)
    if (pass.name == "pack_weights") pass.time += std::chrono::steady_clock::now() - begin;
  if (cache != nullptr) store(*cache);
  ASSIGN_OR_RETURN(program_, compile(model_, options_.custom, !options_.keep_weights));
  return write_deferred(*program_, pool_);
}

Result<> Session::adopt() {
  const auto known = [this](std::string_view domain, std::string_view op_type) {
    return domain == graph::kInternalDomain || knows(domain, op_type);
  };
  TRY(graph::verify(model_, {.custom = known}));
  find_ports();
  report_.nodes_before = report_.nodes_after = model_.graph.nodes.size();
  from_cache_ = true;
  ASSIGN_OR_RETURN(program_, compile(model_, options_.custom, !options_.keep_weights));
  return write_deferred(*program_, pool_);
}

void Session::store(const CompiledCache& cache) const {
  graph::Model written = model_.clone();
  // The types that callers see.
  graph::Graph& graph = written.graph;
  for (size_t i = 0; i < graph.inputs.size(); ++i) graph.value(graph.inputs[i]).type = input_types_[i];
  for (size_t i = 0; i < graph.outputs.size(); ++i) graph.value(graph.outputs[i]).type = outputs_[i].type;
  cache.store(std::move(written), options_.cache_bytes);
}

Result<std::vector<Value>> Session::bind(std::span<const Feed> feeds) const {
  const graph::Graph& graph = model_.graph;
  std::vector<Value> bound(graph.inputs.size());
  std::vector<bool> given(graph.inputs.size());
  std::map<std::string, int64_t> symbols;
  for (const Feed& feed : feeds) {
    size_t at = 0;
    while (at < graph.inputs.size() && graph.value(graph.inputs[at]).name != feed.name) ++at;
    if (at == graph.inputs.size())
      return fail(ErrorKind::Invalid, "[feeds] no input is called '{}'; the inputs are: {}", feed.name,
                  names_of(inputs_));
    if (given[at]) return fail(ErrorKind::Invalid, "[feeds] input '{}' is given twice", feed.name);
    TRY(check_feed(feed.name, input_types_[at], feed.value, symbols));
    bound[at] = feed.value;
    given[at] = true;
  }
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const graph::ValueInfo& value = graph.value(graph.inputs[i]);
    if (!given[i] && !value.constant && input_types_[i].kind != TypeKind::Optional)
      return fail(ErrorKind::Invalid, "[feeds] input '{}' {} is missing", value.name,
                  graph::to_string(input_types_[i]));
  }
  return bound;
}

Result<std::vector<Value>> Session::run(std::span<const Feed> feeds, std::span<const std::string> wanted,
                                        const RunOptions& options) {
  std::vector<size_t> order;
  for (const std::string& name : wanted) {
    const auto at = std::ranges::find(outputs_, name, &Port::name);
    if (at == outputs_.end())
      return fail(ErrorKind::Invalid, "[outputs] no output is called '{}'; the outputs are: {}", name,
                  names_of(outputs_));
    order.push_back(static_cast<size_t>(at - outputs_.begin()));
  }
  RunContext context{
      .cancelled = options.cancelled, .deadline = options.deadline, .timings = options.timings, .trace = options.trace};
  const std::unique_lock threads(pool_lock_, std::try_to_lock);
  if (threads.owns_lock() && pool_.threads() > 1) context.pool = &pool_;
  // Where memory may run out a run may have to begin again, which nobody expects of an operator of the caller's.
  const bool scarce = options_.memory_limit != 0 || caller_memory_ != nullptr;
  const size_t timed = options.timings != nullptr ? options.timings->size() : 0;
  bool crowded = false;
  auto results = run_once(feeds, order, context, !scarce || options_.custom.by_name.empty(), crowded);
  if (crowded && options_.custom.by_name.empty()) {
    if (options.timings != nullptr) options.timings->resize(timed);
    results = run_once(feeds, order, context, false, crowded);
  }
  if (!options_.keep_memory)
    memory_.trim();
  else if (threads.owns_lock() && options_.shrink_memory)
    memory_.end_run();
  return results;
}

Result<std::vector<Value>> Session::run_once(std::span<const Feed> feeds, std::span<const size_t> order,
                                             RunContext context, bool by_shape, bool& crowded) {
  ASSIGN_OR_RETURN(auto bound, bind(feeds));
  std::shared_ptr<ShapePlan> plan;  // shared with plans_
  ShapeKey key;
  std::optional<ShapeRun> run;
  if (by_shape) {
    key = shape_key(bound, context.pool != nullptr);
    plan = plans_.find(key);
  }
  if (!by_shape) {
    run.emplace(tensor_memory());
  } else if (plan == nullptr) {
    run.emplace(tensor_memory(), program_->steps.size());
  } else {
    if (plan->first_use() && options_.shrink_memory) memory_.trim();
    run.emplace(tensor_memory(), plan);
  }
  context.memory = context.shapes = &*run;
  auto made = run_program(*program_, std::move(bound), {}, context);
  run->correct_plan(made.has_value());
  if (!made) {
    crowded = run->crowded();
    if (crowded) plan->drop_arena();
    return std::unexpected(std::move(made).error());
  }
  if (by_shape && plan == nullptr) plans_.keep(std::make_shared<ShapePlan>(std::move(key), run->take_record()));
  std::vector<Value> all = std::move(*made), results;
  if (order.empty()) {
    results = std::move(all);
  } else {
    for (const size_t i : order) results.push_back(all[i]);
    all.clear();
  }
  const std::span<const std::byte> arena = run->arena();
  run.reset();
  for (Value& value : results) {
    auto ours = owned(std::move(value), arena, tensor_memory());
    crowded = !ours && !arena.empty();
    if (!ours) return std::unexpected(std::move(ours).error());
    value = std::move(*ours);
  }
  return results;
}

}  // namespace hearth::runtime
