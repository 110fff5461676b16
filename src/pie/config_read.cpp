// TOML text to Config, and the questions about a whole Config. The one file beside config_change.cpp that sees toml++.
// Every file of the program sees toml++ in this mode: two modes in one program would mix their inline functions.
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <algorithm>

#include "base/environment.h"
#include "base/file.h"
#include "base/nearest_word.h"
#include "pie/config.h"

namespace hearth::pie {
namespace {

std::string place(const std::filesystem::path& path, const toml::node& node) {
  return fmt::format("{}:{}", path.string(), node.source().begin.line);
}

// What the file wrote, for error texts.
std::string written(const toml::node& node) {
  std::ostringstream text;
  node.visit([&](const auto& concrete) {
    if constexpr (toml::is_table<decltype(concrete)>)
      text << "a table";
    else
      text << concrete;
  });
  std::string result = text.str();
  if (result.size() > 60) result = result.substr(0, 57) + "…";
  return result;
}

Result<Value> value_of(const KeyInfo& key, const toml::node& node) {
  const auto wrong = [&]() -> std::unexpected<Error> {
    return fail(ErrorKind::Invalid, "{}.{}; got {}, need {}", key.section(), key.name, written(node), key.need_text());
  };
  Value value;
  if (key.type == "Text" && node.is_string()) {
    value = std::string(**node.as_string());
  } else if (key.type == "Flag" && node.is_boolean()) {
    value = **node.as_boolean();
  } else if (key.type == "Whole" && node.is_integer()) {
    value = Whole{**node.as_integer()};
  } else if (key.type == "Real" && node.is_floating_point()) {
    value = **node.as_floating_point();
  } else if (key.type == "Real" && node.is_integer()) {
    value = static_cast<double>(**node.as_integer());
  } else if (key.type == "Texts" && node.is_string()) {
    value = Texts{**node.as_string()};
  } else if (key.type == "Texts" && node.is_array()) {
    Texts list;
    for (const auto& item : *node.as_array()) {
      if (!item.is_string()) return wrong();
      list.push_back(**item.as_string());
    }
    value = list;
  } else {
    return wrong();
  }
  TRY(check_value(key, value));
  return value;
}

Result<> read_section(const toml::table& table, bool of_model, void* settings, const std::filesystem::path& path) {
  for (const auto& [name, node] : table) {
    const KeyInfo* key = find_key(of_model, name.str());
    if (key == nullptr) {
      std::vector<std::string_view> names;
      for (const auto& known : config_keys())
        if (known.of_model == of_model) names.push_back(known.name);
      std::string hint = suggestion(name.str(), names);
      if (hint.empty() && find_key(!of_model, name.str()) != nullptr)
        hint = fmt::format("; it belongs into {}", of_model ? "[engine]" : "[[model]]");
      return fail(ErrorKind::Invalid, "[config] {}: unknown key {}.{}{}", place(path, node),
                  of_model ? "model" : "engine", name.str(), hint);
    }
    auto value = value_of(*key, node);
    if (!value) return within("config", {value.error().kind, place(path, node) + ": " + value.error().message});
    key->set(settings, std::move(value).value());
  }
  return {};
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::filesystem::path& path) {
  const auto parsed = toml::parse(text, path.string());
  if (!parsed)
    return fail(ErrorKind::Invalid, "[config] {}:{}: {}", path.string(), parsed.error().source().begin.line,
                parsed.error().description());
  Config config;
  config.path = path;
  for (const auto& [name, node] : parsed.table()) {
    if (name.str() == "engine" && node.is_table()) {
      TRY(read_section(*node.as_table(), false, &config.engine, path));
    } else if (name.str() == "model" && node.is_array_of_tables()) {
      for (const auto& item : *node.as_array()) {
        TRY(read_section(*item.as_table(), true, &config.models.emplace_back(), path));
        const auto& model = config.models.back();
        if (!model.source.empty() && !model.hf_repo.empty())
          return fail(ErrorKind::Invalid, "[config] {}: model.source and model.hf_repo are both set, need one of them",
                      place(path, item));
      }
    } else if (name.str() == "engine" || name.str() == "model") {
      return fail(ErrorKind::Invalid, "[config] {}: {}; got {}, need {}", place(path, node), name.str(), written(node),
                  name.str() == "engine" ? "a section [engine]" : "sections [[model]] (two brackets)");
    } else {
      std::vector<std::string_view> known{"engine", "model"};
      std::string hint = suggestion(name.str(), known);
      for (const auto& key : config_keys())
        if (hint.empty() && key.name == name.str())
          hint = fmt::format("; it belongs into {}", key.of_model ? "[[model]]" : "[engine]");
      return fail(ErrorKind::Invalid, "[config] {}: unknown key {}{}", place(path, node), name.str(), hint);
    }
  }
  if (config.models.empty()) config.models = default_config().models;
  return config;
}

Result<Config> read_config(const std::filesystem::path& path) {
  auto text = read_file(path, kConfigBytesLimit);
  if (!text && text.error().kind == ErrorKind::NotFound)
    return fail(ErrorKind::NotFound, "[config] {} does not exist; `pie config init` writes one", path.string());
  if (!text) return within("config", std::move(text).error());
  return parse_config(*text, path);
}

Result<Config> load_config(const std::filesystem::path& path) {
  if (!path.empty()) return read_config(path);
  const auto standard = default_config_path();
  std::error_code code;
  if (!std::filesystem::exists(standard, code)) return default_config();
  return read_config(standard);
}

Config default_config() {
  Config config;
  config.models.emplace_back();
  return config;
}

std::string source_of(const ModelSettings& model) {
  if (!model.source.empty()) return model.source;
  if (!model.hf_repo.empty()) return "hf:" + model.hf_repo;
  return std::string(kDefaultSource);
}

std::string name_of(const ModelSettings& model) {
  if (!model.name.empty()) return model.name;
  std::string source = source_of(model);
  const size_t colon = source.find(':');
  if (source.starts_with("file:")) return std::filesystem::path(source.substr(5)).stem().string();
  return colon == std::string::npos ? source : source.substr(colon + 1);
}

std::filesystem::path pie_home() {
  if (const auto home = environment("PIE_HOME")) return *home;
  return std::filesystem::path(environment("HOME").value_or(".")) / ".pie";
}

std::filesystem::path default_config_path() {
  return pie_home() / "config.toml";
}

std::filesystem::path cache_root(const EngineSettings& engine) {
  if (const auto root = environment("PIE_CACHE_HOME")) return *root;
  if (!engine.cache_dir.empty()) return engine.cache_dir;
  if (const auto root = environment("HEARTH_CACHE")) return *root;
  if (const auto root = environment("XDG_CACHE_HOME")) return std::filesystem::path(*root) / "hearth";
  return std::filesystem::path(environment("HOME").value_or(".")) / ".cache" / "hearth";
}

}  // namespace hearth::pie
