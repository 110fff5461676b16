// The cross-backend protocol of the ops: runs one case of one op on a backend, and writes its inputs and outputs as
// files or compares with those that another machine wrote. docs/op_protocol.md describes the files.
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/nearest_word.h"
#include "ops/conformance/artifact.h"
#include "ops/conformance/markdown.h"

namespace {

using namespace hearth;
using namespace hearth::ops::conformance;
using nlohmann::json;

struct Arguments {
  std::string op, name = "production", backend = "cpu", isa, dtype, weight_dtype, cache_dtype, write, compare;
  int threads = 0;
  uint64_t seed = 1;
  bool list = false, as_json = false, markdown = false;
  std::vector<std::pair<std::string, double>> parameters;
};

// `--batch_size 2` and `--batch_size=2`: what is no option of the program is a parameter of the case.
Result<> parse_parameters(const std::vector<std::string>& words, Arguments& a) {
  for (size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (!word.starts_with("--")) return fail(ErrorKind::Usage, "[parameters] got \"{}\", need --name value", word);
    word.remove_prefix(2);
    std::string_view value;
    if (const size_t equals = word.find('='); equals != std::string_view::npos) {
      value = word.substr(equals + 1);
      word = word.substr(0, equals);
    } else if (++i < words.size()) {
      value = words[i];
    }
    double number = 0;
    const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (code != std::errc() || end != value.data() + value.size() || value.empty() || !std::isfinite(number))
      return fail(ErrorKind::Usage, "[parameters] --{}; got \"{}\", need a number", word, value);
    a.parameters.emplace_back(word, number);
  }
  return {};
}

Result<DType> type_named(std::string_view option, const std::string& text, DType otherwise) {
  if (text.empty()) return otherwise;
  if (const auto type = parse_dtype(text)) return *type;
  std::vector<std::string_view> known;
  for (int i = 0; i < kDTypeCount; ++i)
    if ((ops::kWeight & ops::bit(static_cast<DType>(i))) != 0) known.push_back(to_string(static_cast<DType>(i)));
  return fail(ErrorKind::Usage, "[{}] got \"{}\", need one of {}", option, text, fmt::join(known, ", "));
}

Result<CaseTypes> types_of(const Arguments& a) {
  CaseTypes types;
  ASSIGN_OR_RETURN(types.activation, type_named("--dtype", a.dtype, DType::F32));
  ASSIGN_OR_RETURN(types.weight, type_named("--weight_dtype", a.weight_dtype, types.activation));
  ASSIGN_OR_RETURN(types.cache, type_named("--cache_dtype", a.cache_dtype, types.activation));
  return types;
}

Result<const ops::OpInfo*> find_op(const std::string& name) {
  if (const ops::OpInfo* op = ops::find_op(name)) return op;
  std::vector<std::string_view> known;
  for (const ops::OpInfo& op : ops::inventory()) known.push_back(op.name);
  return fail(ErrorKind::Usage, "[--op] got \"{}\", need one of {}{}", name, fmt::join(known, ", "),
              suggestion(name, known));
}

// ---- answers

json axes_of(const OpCases& cases) {
  json axes = json::array();
  if ((cases.axes & kActivation) != 0) axes.push_back("dtype");
  if ((cases.axes & kWeightAxis) != 0) axes.push_back("weight_dtype");
  if ((cases.axes & kCache) != 0) axes.push_back("cache_dtype");
  return axes;
}

void print_list(bool as_json) {
  json all = json::array();
  for (const ops::OpInfo& op : ops::inventory()) {
    const OpCases& cases = cases_of(op.op);
    for (const NamedCase& c : cases.cases) {
      json parameters = json::object();
      for (const Parameter& p : cases.defaults) parameters[std::string(p.name)] = p.value;
      for (const Parameter& p : c.values) parameters[std::string(p.name)] = p.value;
      if (as_json) {
        all.push_back({{"op", op.name}, {"case", c.name}, {"types", axes_of(cases)}, {"parameters", parameters}});
        continue;
      }
      std::string line = fmt::format("{} {}", op.name, c.name);
      for (const auto& axis : axes_of(cases)) line += fmt::format(" {}", axis.get<std::string>());
      for (const auto& [name, value] : parameters.items()) line += fmt::format(" {}={}", name, value.get<double>());
      fmt::print("{}\n", line);
    }
  }
  if (as_json) fmt::print("{}\n", all.dump(1));
}

struct Outcome {
  const OpCase* op_case;
  std::string against;  // whose answers these were held against; empty: nothing was compared
  Comparison comparison;
  double tolerance = 0;
};

void print_outcome(const Arguments& a, const ops::Device& device, const CaseRun& run, const Outcome& o) {
  const OpCase& c = *o.op_case;
  const bool compared = !o.against.empty();
  const std::string_view verdict = !compared ? "ran" : o.comparison.ok ? "ok" : "FAILED";
  if (a.as_json) {
    json out = {{"op", c.op->name},
                {"case", c.name},
                {"dtype", to_string(c.types.activation)},
                {"weight_dtype", to_string(c.types.weight)},
                {"cache_dtype", to_string(c.types.cache)},
                {"backend", device.name()},
                {"isa", device.isa()},
                {"kernel", run.kernel},
                {"result", verdict}};
    if (compared) {
      out["against"] = o.against;
      out["max_error"] = std::isfinite(o.comparison.max_error) ? json(o.comparison.max_error) : json("inf");
      out["row_error"] = std::isfinite(o.comparison.row_error) ? json(o.comparison.row_error) : json("inf");
      out["tolerance"] = o.tolerance;
      out["worst"] = o.comparison.worst;
    }
    if (!a.write.empty()) out["written"] = a.write;
    fmt::print("{}\n", out.dump(1));
    return;
  }
  fmt::print("{} {} {}/{}/{} on {} {} ({}): {}", c.op->name, c.name, to_string(c.types.activation),
             to_string(c.types.weight), to_string(c.types.cache), device.name(), device.isa(), run.kernel, verdict);
  if (compared) {
    fmt::print(", max error {:.3g}, tolerance {:.3g}, against {}", o.comparison.max_error, o.tolerance, o.against);
    if (o.comparison.row_error > 0) fmt::print(", row error {:.3g} of 2e-2", o.comparison.row_error);
    if (!o.comparison.ok) fmt::print("; worst {}", o.comparison.worst);
  }
  if (!a.write.empty()) fmt::print(", written to {}", a.write);
  fmt::print("\n");
}

// ---- the three ways to run

Result<bool> compare_with_files(const Arguments& a, ops::Device& device) {
  ASSIGN_OR_RETURN(const Artifact artifact, read_artifact(a.compare));
  const OpCase& c = artifact.op_case;
  if (!a.op.empty() && a.op != c.op->name)
    return fail(ErrorKind::Usage, "[--op] got {}, but {} holds {}", a.op, a.compare, c.op->name);
  if (!a.dtype.empty() && a.dtype != to_string(c.types.activation))
    return fail(ErrorKind::Usage, "[--dtype] got {}, but {} holds {}; the files choose the precision", a.dtype,
                a.compare, to_string(c.types.activation));
  if (!a.parameters.empty() || !a.weight_dtype.empty() || !a.cache_dtype.empty())
    return fail(ErrorKind::Usage, "[--compare] the files choose sizes and types; got more of them");
  ASSIGN_OR_RETURN(const CaseRun run, run_case(device, c));
  Outcome o{&c, fmt::format("{} {}", artifact.backend, artifact.isa), {}, tolerance_of(c)};
  o.tolerance = std::min(o.tolerance, artifact.tolerance);  // the stricter of this build's and the files'
  o.comparison = compare(c, artifact.outputs, run.outputs, o.tolerance);
  print_outcome(a, device, run, o);
  return o.comparison.ok;
}

Result<bool> run_one(const Arguments& a, ops::Device& device) {
  if (a.op.empty()) return fail(ErrorKind::Usage, "[--op] got none; --list shows ops and cases");
  ASSIGN_OR_RETURN(const ops::OpInfo* op, find_op(a.op));
  ASSIGN_OR_RETURN(const CaseTypes types, types_of(a));
  ASSIGN_OR_RETURN(const OpCase c, make_case(*op, a.name, types, a.parameters, a.seed));
  ASSIGN_OR_RETURN(const CaseRun run, run_case(device, c));
  Outcome o{&c, "", {}, tolerance_of(c)};
  if (!a.write.empty()) {
    TRY(write_artifact(a.write, {c, run.outputs, o.tolerance, std::string(device.name()), std::string(device.isa()),
                                 run.kernel, HEARTH_VERSION}));
  } else if (device.name() != "ref") {
    ASSIGN_OR_RETURN(const auto ref, ops::open_device("ref"));
    ASSIGN_OR_RETURN(const CaseRun want, run_case(*ref, c));
    o.against = "ref scalar";
    o.comparison = compare(c, want.outputs, run.outputs, o.tolerance);
  }
  print_outcome(a, device, run, o);
  return o.comparison.ok;
}

Result<bool> execute(const Arguments& a) {
  if (a.list) {
    print_list(a.as_json);
    return true;
  }
  if (a.markdown) {
    fmt::print("{}", inventory_markdown());
    return true;
  }
  if (a.backend != "ref" && a.backend != "cpu")
    return fail(ErrorKind::Usage, "[--backend] got \"{}\", need ref or cpu", a.backend);
  if (a.backend == "ref" && !a.isa.empty()) return fail(ErrorKind::Usage, "[--isa] got {}, but ref has none", a.isa);
  ASSIGN_OR_RETURN(const auto device, ops::open_device(a.backend, {.threads = a.threads, .isa = a.isa}));
  return a.compare.empty() ? run_one(a, *device) : compare_with_files(a, *device);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  CLI::App app("Runs one case of one op on a backend: against ref, into files (--write) or against files (--compare)");
  app.allow_extras();
  app.add_option("--op", a.op, "op of the inventory");
  app.add_option("--case", a.name, "named case")->capture_default_str();
  app.add_option("--backend", a.backend, "ref or cpu")->capture_default_str();
  app.add_option("--isa", a.isa, "instruction set of the cpu backend: portable, avx2, avx512; default: the best here");
  app.add_option("--threads", a.threads, "threads of the cpu backend; 0: one per core")->check(CLI::Range(0, 1024));
  app.add_option("--dtype", a.dtype, "activations: f32 (default), bf16, f16");
  app.add_option("--weight_dtype", a.weight_dtype, "weights, also block-quantised; default: as --dtype");
  app.add_option("--cache_dtype", a.cache_dtype, "key and value caches; default: as --dtype");
  app.add_option("--seed", a.seed, "what the inputs are made from")->capture_default_str();
  auto* write = app.add_option("--write", a.write, "write inputs, outputs and meta.json to this folder");
  app.add_option("--compare", a.compare, "replay the files of this folder and compare")->excludes(write);
  app.add_flag("--list", a.list, "ops, cases, type options and parameters, one case a line");
  app.add_flag("--markdown", a.markdown, "print docs/ops.md");
  app.add_flag("--json", a.as_json, "results as JSON");
  app.footer("Parameters of a case are options by their name: --batch_size 2 --vocab_size 32000.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  Result<> parsed = parse_parameters(app.remaining(), a);
  const Result<bool> ok = parsed ? execute(a) : Result<bool>(std::unexpected(parsed.error()));
  if (ok) return *ok ? 0 : 1;
  fmt::print(stderr, "op_protocol_tests: {}\n", ok.error().message);
  return exit_code(ok.error().kind);
}
