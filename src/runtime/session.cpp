#include "runtime/session.h"

#include <algorithm>

#include "base/nearest_word.h"
#include "graph/infer_shapes.h"
#include "graph/inline_functions.h"
#include "graph/internal_operators.h"
#include "graph/verify.h"
#include "import/read_model.h"

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

// An output belongs to the caller alone: what is still a constant's or a feed's memory is copied.
Result<Value> owned(Value value, TensorMemory& memory) {
  const Tensor* tensor = value.tensor();
  if (tensor == nullptr || tensor->writable()) return value;
  ASSIGN_OR_RETURN(Tensor copy, tensor->clone(memory));
  return Value(std::move(copy));
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

Result<std::unique_ptr<Session>> Session::open(const std::filesystem::path& path, SessionOptions options) {
  ASSIGN_OR_RETURN(graph::Model model, import::read_model(path));
  return open(std::move(model), std::move(options));
}

Result<std::unique_ptr<Session>> Session::open(graph::Model model, SessionOptions options) {
  auto session = std::unique_ptr<Session>(new Session(std::move(model), std::move(options)));
  TRY(session->prepare());
  return session;
}

Result<> Session::prepare() {
  for (const auto& [name, custom] : options_.custom.by_name)
    if (name.first == graph::kInternalDomain)
      return fail(ErrorKind::Usage, "[custom operators] domain of '{}'; got '{}', which is the runtime's own",
                  name.second, name.first);
  TRY(graph::inline_functions(model_));
  const auto custom = [this](std::string_view domain, std::string_view op_type) {
    return options_.custom.find(domain, op_type) != nullptr;
  };
  TRY(graph::verify(model_, {.custom = custom}));
  TRY(graph::infer_shapes(model_, {.input_shapes = options_.input_shapes}));

  const graph::Graph& graph = model_.graph;
  for (const ValueId id : graph.inputs) {
    const graph::ValueInfo& value = graph.value(id);
    (value.constant ? overridable_ : inputs_).push_back({value.name, value.type});
  }
  for (const ValueId id : graph.outputs) outputs_.push_back({graph.value(id).name, graph.value(id).type});

  passes::Options pass_options{.level = options_.level, .disabled = options_.disabled_passes};
  pass_options.is_custom = custom;
  pass_options.evaluate = [this](const graph::Node& node, int64_t opset, std::span<const Value> values) {
    RunContext context{.memory = &tensor_memory()};
    return evaluate_node(node, opset, values, context);
  };
  ASSIGN_OR_RETURN(report_, passes::run_passes(model_, pass_options));
  ASSIGN_OR_RETURN(program_, compile(model_, options_.custom, !options_.keep_weights));
  return {};
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
    TRY(check_feed(feed.name, graph.value(graph.inputs[at]).type, feed.value, symbols));
    bound[at] = feed.value;
    given[at] = true;
  }
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const graph::ValueInfo& value = graph.value(graph.inputs[i]);
    if (!given[i] && !value.constant && value.type.kind != TypeKind::Optional)
      return fail(ErrorKind::Invalid, "[feeds] input '{}' {} is missing", value.name, graph::to_string(value.type));
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
  ASSIGN_OR_RETURN(auto bound, bind(feeds));
  RunContext context{.memory = &tensor_memory(),
                     .cancelled = options.cancelled,
                     .deadline = options.deadline,
                     .timings = options.timings,
                     .trace = options.trace};
  const std::unique_lock threads(pool_lock_, std::try_to_lock);
  if (threads.owns_lock() && pool_.threads() > 1) context.pool = &pool_;
  auto made = run_program(*program_, std::move(bound), {}, context);
  if (!options_.keep_memory)
    memory_.trim();
  else if (threads.owns_lock() && options_.shrink_memory)
    memory_.end_run();
  if (!made) return std::unexpected(std::move(made).error());
  std::vector<Value> all = std::move(*made), results;
  if (wanted.empty()) {
    results = std::move(all);
  } else {
    for (const size_t i : order) results.push_back(all[i]);
    all.clear();
  }
  for (Value& value : results) {
    ASSIGN_OR_RETURN(value, owned(std::move(value), tensor_memory()));
  }
  return results;
}

}  // namespace hearth::runtime
