#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/table.h"
#include "flame/commands.h"
#include "flame/npy.h"
#include "import/read_model.h"
#include "tensor/element.h"

namespace hearth::flame {

namespace {

constexpr int64_t kShown = 6;

std::vector<double> numbers(const Tensor& tensor, int64_t at_most) {
  std::vector<double> made;
  const int64_t n = std::min(tensor.size(), at_most);
  with_type(TypeList<float, double, Half, BFloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t,
                     uint64_t, bool>{},
            tensor.dtype(), [&]<class T>() {
              for (int64_t i = 0; i < n; ++i) {
                if constexpr (std::is_arithmetic_v<T>)
                  made.push_back(static_cast<double>(tensor.data<T>()[i]));
                else
                  made.push_back(static_cast<double>(static_cast<float>(tensor.data<T>()[i])));
              }
            });
  return made;
}

std::string first_elements(const Tensor& tensor) {
  std::string text;
  if (tensor.dtype() == DType::String) {
    for (int64_t i = 0; i < std::min(tensor.size(), kShown); ++i)
      text += fmt::format("{}\"{}\"", i > 0 ? " " : "", tensor.strings()[static_cast<size_t>(i)]);
  } else {
    for (const double x : numbers(tensor, kShown)) text += fmt::format("{}{:.6g}", text.empty() ? "" : " ", x);
  }
  return tensor.size() > kShown ? text + " …" : text;
}

cli::Row row_of(const std::string& name, const Value& value) {
  if (const Tensor* tensor = value.tensor()) {
    std::string statistics;
    if (const auto all = numbers(*tensor, 1 << 22); !all.empty() && all.size() == static_cast<size_t>(tensor->size())) {
      double low = INFINITY, high = -INFINITY, sum = 0;
      size_t odd = 0;
      for (const double x : all) {
        odd += !std::isfinite(x);
        low = std::min(low, x);
        high = std::max(high, x);
        sum += x;
      }
      statistics = fmt::format("{:.5g} / {:.5g} / {:.5g}", low, sum / static_cast<double>(all.size()), high);
      if (odd > 0) statistics += fmt::format(", {} not finite", odd);
    }
    return {name, std::string(graph::onnx_name(tensor->dtype())), to_string(tensor->dims()), statistics,
            first_elements(*tensor)};
  }
  if (const Sequence* sequence = value.sequence())
    return {name, "sequence", fmt::format("{} items", sequence->items.size()), "", ""};
  return {name, value.map() != nullptr ? "map" : "nothing", "", "", ""};
}

nlohmann::json json_of(const Value& value) {
  if (const Tensor* tensor = value.tensor()) {
    nlohmann::json made{{"type", graph::onnx_name(tensor->dtype())},
                        {"shape", std::vector<int64_t>(tensor->dims().begin(), tensor->dims().end())}};
    if (tensor->dtype() == DType::String)
      made["values"] = std::vector<std::string>(tensor->strings().begin(), tensor->strings().end());
    else if (auto all = numbers(*tensor, 1 << 20); all.size() == static_cast<size_t>(tensor->size()))
      made["values"] = std::move(all);
    return made;
  }
  if (const Sequence* sequence = value.sequence()) {
    auto items = nlohmann::json::array();
    for (const Value& item : sequence->items) items.push_back(json_of(item));
    return items;
  }
  return nullptr;
}

Result<> write_outputs(const std::string& folder, const runtime::Session& session, const std::vector<Value>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    std::string name = session.outputs()[i].name;
    for (char& c : name)
      if (c == '/' || c == '\0') c = '_';
    if (const Tensor* tensor = values[i].tensor())
      TRY(write_npy(std::filesystem::path(folder) / (name + ".npy"), *tensor));
    else
      return fail(ErrorKind::Unsupported, "[--output] output '{}' is no tensor; only tensors become .npy files",
                  session.outputs()[i].name);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<runtime::Session>> open_session(const ModelWords& words) {
  runtime::SessionOptions options;
  options.level = static_cast<runtime::OptLevel>(words.level);
  options.threads = words.threads;
  options.memory_limit = static_cast<size_t>(words.memory_limit_mb) << 20;
  options.disabled_passes = words.disabled_passes;
  options.keep_weights = words.keep_weights;
  options.precision = words.precision == "bf16" ? runtime::Precision::BF16 : runtime::Precision::F32;
  options.cache_dir = words.cache_dir;
  return runtime::Session::open(std::filesystem::path(words.model), std::move(options));
}

Result<> run(const RunWords& words, std::stop_token stop) {
  ASSIGN_OR_RETURN(const auto session, open_session(words.model));
  ASSIGN_OR_RETURN(const auto feeds, make_feeds(*session, words.feeds));
  std::atomic<bool> cancelled{false};
  const std::stop_callback on_stop(stop, [&] { cancelled = true; });
  trace::Trace trace;
  runtime::RunOptions options{.cancelled = &cancelled};
  if (words.timeout > 0)
    options.deadline =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<int64_t>(words.timeout * 1e3));
  if (!words.profile.empty()) options.trace = &trace;
  const auto begin = std::chrono::steady_clock::now();
  ASSIGN_OR_RETURN(const auto values, session->run(feeds, {}, options));
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  if (!words.profile.empty()) TRY(trace.write(words.profile));
  if (!words.output.empty()) TRY(write_outputs(words.output, *session, values));
  if (words.model.json) {
    nlohmann::json made{{"milliseconds", ms}, {"outputs", nlohmann::json::object()}};
    for (size_t i = 0; i < values.size(); ++i) made["outputs"][session->outputs()[i].name] = json_of(values[i]);
    fmt::print("{}\n", made.dump(2));
    return {};
  }
  std::vector<cli::Row> rows;
  for (size_t i = 0; i < values.size(); ++i) rows.push_back(row_of(session->outputs()[i].name, values[i]));
  fmt::print("{}", cli::table({"output", "type", "shape", "min / mean / max", "first elements"}, rows));
  fmt::print(stderr, "ran in {:.2f} ms (the first run; `flame bench` measures)\n", ms);
  if (!words.profile.empty()) fmt::print(stderr, "profile: {} (open it in https://ui.perfetto.dev)\n", words.profile);
  return {};
}

}  // namespace hearth::flame
