#include "suite.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "graph/type.h"
#include "import/onnx/read_onnx.h"
#include "tensor/element.h"
#include "tensor/small_float.h"

namespace hearth::onnx_suite {

namespace {

namespace fs = std::filesystem;

struct Tolerance {
  double relative = 1e-3, absolute = 1e-7;
};

struct Skip {
  std::string_view name, reason;
};
constexpr std::string_view kRandom = "draws random values: every draw is right, the file holds one";
constexpr std::string_view kNoise =
    "the file holds rounding noise above the suite's absolute tolerance where the value is 0";
constexpr std::string_view kGradient = "Gradient differentiates the graph around it: only training runtimes do";
constexpr Skip kSkips[] = {
    {"test_bernoulli", kRandom},
    {"test_bernoulli_double", kRandom},
    {"test_bernoulli_double_expanded", kRandom},
    {"test_bernoulli_expanded", kRandom},
    {"test_bernoulli_seed", kRandom},
    {"test_bernoulli_seed_expanded", kRandom},
    {"test_dft_inverse", kNoise},
    {"test_dft_inverse_opset19", kNoise},
    {"test_gradient_of_add", kGradient},
    {"test_gradient_of_add_and_mul", kGradient},
    {"test_image_decoder_decode_jpeg2k_rgb", "JPEG 2000 is not decoded here"},
    {"test_image_decoder_decode_webp_rgb", "WebP is not decoded here"},
};

template <class T>
std::string compare_elements(const Tensor& got, const Tensor& want, const Tolerance& tolerance) {
  const T *a = got.data<T>(), *b = want.data<T>();
  for (int64_t i = 0; i < got.size(); ++i) {
    if constexpr (std::is_same_v<T, std::string>) {
      if (a[i] != b[i]) return fmt::format("element {}: got \"{}\", want \"{}\"", i, a[i], b[i]);
    } else if constexpr (requires { a[i].real(); }) {
      if (std::abs(a[i] - b[i]) > tolerance.absolute + tolerance.relative * std::abs(b[i]))
        return fmt::format("element {}: got {}{:+}i, want {}{:+}i", i, a[i].real(), a[i].imag(), b[i].real(),
                           b[i].imag());
    } else if constexpr (std::is_integral_v<T>) {
      // As wide as they are: a double cannot tell large integers apart.
      const bool close =
          a[i] == b[i] || std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])) <=
                              tolerance.absolute + tolerance.relative * std::abs(static_cast<double>(b[i]));
      if (!close)
        return fmt::format("element {}: got {}, want {}", i, static_cast<double>(a[i]), static_cast<double>(b[i]));
    } else {
      double x, y;
      if constexpr (std::is_convertible_v<T, double>)
        x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
      else
        x = static_cast<float>(a[i]), y = static_cast<float>(b[i]);
      const bool same = x == y || (std::isnan(x) && std::isnan(y));
      if (!same && !(std::abs(x - y) <= tolerance.absolute + tolerance.relative * std::abs(y)))
        return fmt::format("element {} of {}: got {}, want {}", i, got.size(), x, y);
    }
  }
  return "";
}

std::string compare(const Value& got, const Value& want, const Tolerance& tolerance);

std::string compare_tensors(const Tensor& got, const Tensor& want, const Tolerance& tolerance) {
  if (got.dtype() != want.dtype())
    return fmt::format("type: got {}, want {}", to_string(got.dtype()), to_string(want.dtype()));
  if (!(got.dims() == want.dims()))
    return fmt::format("shape: got {}, want {}", to_string(got.dims()), to_string(want.dims()));
  std::string difference = "no comparison for this type";
#define HEARTH_COMPARE(name, type) \
  if (got.dtype() == DType::name) difference = compare_elements<type>(got, want, tolerance);
  HEARTH_ELEMENT_TYPES(HEARTH_COMPARE)
#undef HEARTH_COMPARE
  return difference;
}

std::string compare(const Value& got, const Value& want, const Tolerance& tolerance) {
  if (want.empty()) return got.empty() ? "" : "got a value, want nothing";
  if (const Tensor* tensor = want.tensor())
    return got.tensor() != nullptr ? compare_tensors(*got.tensor(), *tensor, tolerance) : "want a tensor";
  if (const Sequence* sequence = want.sequence()) {
    if (got.sequence() == nullptr) return "want a sequence";
    if (got.sequence()->items.size() != sequence->items.size())
      return fmt::format("length: got {}, want {}", got.sequence()->items.size(), sequence->items.size());
    for (size_t i = 0; i < sequence->items.size(); ++i)
      if (auto text = compare(got.sequence()->items[i], sequence->items[i], tolerance); !text.empty())
        return fmt::format("item {}: {}", i, text);
    return "";
  }
  return "want a value that the suite cannot store";
}

Result<Value> read_value(const fs::path& path, const graph::Type& type) {
  ASSIGN_OR_RETURN(const std::string bytes, read_file(path));
  const auto span = std::as_bytes(std::span(bytes));
  if (type.kind == graph::TypeKind::Sequence) return import::read_onnx_sequence(span);
  if (type.kind == graph::TypeKind::Optional) return import::read_onnx_optional(span);
  return import::read_onnx_tensor(span);
}

// Files input_0.pb, input_1.pb … as far as they go.
Result<std::vector<Value>> read_values(const fs::path& folder, std::string_view stem,
                                       std::span<const graph::Type> types) {
  std::vector<Value> values;
  for (size_t i = 0; i < types.size(); ++i) {
    const fs::path file = folder / fmt::format("{}_{}.pb", stem, i);
    if (!fs::exists(file)) break;
    auto value = read_value(file, types[i]);
    if (!value) return within(file.filename().string(), std::move(value).error());
    values.push_back(std::move(*value));
  }
  return values;
}

Tolerance tolerance_of(const Case& test) {
  Tolerance tolerance;
  if (const auto text = read_file(test.folder / "data.json")) {
    const auto json = nlohmann::json::parse(*text, nullptr, false);
    if (json.is_object()) {
      tolerance.relative = json.value("rtol", tolerance.relative);
      tolerance.absolute = json.value("atol", tolerance.absolute);
    }
  }
  return tolerance;
}

Result<std::string> run_data_set(runtime::Session& session, std::span<const std::string> names,
                                 std::span<const graph::Type> types, const fs::path& folder,
                                 const Tolerance& tolerance) {
  ASSIGN_OR_RETURN(auto inputs, read_values(folder, "input", types));
  std::vector<runtime::Feed> feeds;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (!inputs[i].empty()) feeds.push_back({names[i], inputs[i]});
  std::vector<graph::Type> output_types;
  for (const auto& port : session.outputs()) output_types.push_back(port.type);
  ASSIGN_OR_RETURN(const auto wanted, read_values(folder, "output", output_types));
  if (wanted.empty()) return "the data set has no outputs";
  ASSIGN_OR_RETURN(const auto got, session.run(feeds));
  if (got.size() < wanted.size()) return fmt::format("outputs: got {}, want {}", got.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i)
    if (auto text = compare(got[i], wanted[i], tolerance); !text.empty())
      return fmt::format("output {} '{}': {}", i, session.outputs()[i].name, text);
  return "";
}

constexpr int kRuns = 3;

Result<std::string> run_model(const Case& test, runtime::OptLevel level) {
  ASSIGN_OR_RETURN(graph::Model model, import::read_onnx(test.folder / "model.onnx"));
  std::vector<std::string> names;  // of all inputs, overridable ones included: the data files count them
  std::vector<graph::Type> types;
  for (const graph::ValueId id : model.graph.inputs) {
    names.push_back(model.graph.value(id).name);
    types.push_back(model.graph.value(id).type);
  }
  ASSIGN_OR_RETURN(auto session, runtime::Session::open(std::move(model), {.level = level, .threads = 1}));
  const Tolerance tolerance = tolerance_of(test);
  int sets = 0;
  for (const auto& entry : fs::directory_iterator(test.folder)) {
    if (!entry.path().filename().string().starts_with("test_data_set_")) continue;
    // The first run over these shapes records its memory, the second takes an arena, the third one as the second left
    // it.
    for (int time = 1; time <= kRuns; ++time) {
      ASSIGN_OR_RETURN(const std::string difference, run_data_set(*session, names, types, entry.path(), tolerance));
      if (!difference.empty()) return fmt::format("{}, run {}: {}", entry.path().filename().string(), time, difference);
    }
    ++sets;
  }
  return sets > 0 ? "" : "no data sets";
}

}  // namespace

Result<std::vector<Case>> find_cases(const fs::path& data) {
  std::vector<Case> cases;
  for (const char* kind : {"light", "node", "pytorch-converted", "pytorch-operator", "simple"}) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(data / kind, error))
      if (fs::exists(entry.path() / "model.onnx"))
        cases.push_back({kind, entry.path().filename().string(), entry.path()});
    if (error) return fail(ErrorKind::NotFound, "[onnx suite] {}: {}", (data / kind).string(), error.message());
  }
  std::ranges::sort(cases, {}, [](const Case& c) { return std::pair(c.kind, c.name); });
  return cases;
}

std::string_view skip_reason(const Case& test) {
  const auto at = std::ranges::find(kSkips, std::string_view(test.name), &Skip::name);
  return at != std::end(kSkips) ? at->reason : std::string_view();
}

Outcome run_case(const Case& test, runtime::OptLevel level) {
  if (const auto reason = skip_reason(test); !reason.empty()) return {Verdict::Skip, std::string(reason)};
  auto difference = run_model(test, level);
  if (!difference) return {Verdict::Fail, difference.error().message};
  return {difference->empty() ? Verdict::Pass : Verdict::Fail, *difference};
}

}  // namespace hearth::onnx_suite
