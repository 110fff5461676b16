#include "llm/arch/architecture.h"

#include <algorithm>
#include <vector>

namespace hearth::llm {
namespace {

// Mistral before Llama: both are "llama" in GGUF; read_gguf_config decides.
constexpr const Architecture* kTable[] = {&kGemma2, &kGemma3, &kLlama, &kMistral, &kPhi3, &kQwen2, &kQwen3};

Result<ModelConfig> refuse(std::string_view named) {
  return fail(ErrorKind::Unsupported, "[config] architecture; got \"{}\", need one of {}", named,
              supported_architectures());
}

}  // namespace

std::span<const Architecture* const> architectures() {
  return kTable;
}

std::string supported_architectures() {
  std::string text;
  for (const Architecture* arch : kTable) text += (text.empty() ? "" : ", ") + std::string(arch->name);
  return text;
}

const Architecture* find_architecture(std::string_view name) {
  const auto* const it = std::ranges::find(kTable, name, &Architecture::name);
  return it == std::end(kTable) ? nullptr : *it;
}

Result<ModelConfig> read_gguf_config(const Metadata& metadata) {
  ConfigReader general(metadata, "general.");
  const std::string_view named = general.text("architecture", "");
  const std::string_view title = general.text("name", "");
  TRY(general.finish());
  // GGUF writes Mistral as "llama"; what tells them apart is the window.
  const bool mistral = named == kMistral.gguf_name && metadata.find("llama.attention.sliding_window") != nullptr;
  for (const Architecture* arch : kTable) {
    if (arch->gguf_name != named || (arch == &kMistral) != mistral) continue;
    ModelConfig config;
    config.architecture = arch->name;
    config.name = title;
    ConfigReader keys(metadata, std::string(named) + ".");
    arch->read_gguf(keys, config);
    TRY(keys.finish());
    return config;
  }
  return refuse(named);
}

Result<ModelConfig> read_json_config(const Metadata& metadata) {
  ConfigReader top(metadata, "");
  const std::vector<std::string_view> classes = top.texts("architectures");
  const std::string_view title = top.text("_name_or_path", "");
  TRY(top.finish());
  const std::string_view named = classes.empty() ? std::string_view() : classes.front();
  for (const Architecture* arch : kTable) {
    if (std::ranges::find(arch->class_names, named) == arch->class_names.end()) continue;
    ModelConfig config;
    config.architecture = arch->name;
    config.name = title;
    // Multimodal files keep the text model's configuration one level down.
    ConfigReader keys(metadata, metadata.find("text_config.hidden_size") != nullptr ? "text_config." : "");
    arch->read_json(keys, config);
    TRY(keys.finish());
    return config;
  }
  return refuse(named);
}

std::string layer_name(std::string_view pattern, int64_t layer) {
  const size_t hole = pattern.find("{}");
  if (hole == std::string_view::npos) return std::string(pattern);
  return fmt::format("{}{}{}", pattern.substr(0, hole), layer, pattern.substr(hole + 2));
}

std::string bias_name(std::string_view weight_name) {
  return std::string(weight_name.substr(0, weight_name.rfind('.'))) + ".bias";
}

const FileTensor* find_weight(const ModelFile& file, std::string_view name) {
  if (const FileTensor* tensor = file.find(name)) return tensor;
  if (file.format() != "safetensors") return nullptr;
  if (const FileTensor* tensor = file.find("language_model." + std::string(name))) return tensor;
  if (name.starts_with("model."))
    return file.find("model.language_model." + std::string(name.substr(std::string_view("model.").size())));
  return nullptr;
}

}  // namespace hearth::llm
