#include <cstdio>

#include "base/file.h"
#include "base/log.h"
#include "pie/commands/commands.h"
#include "pie/program_log.h"

namespace hearth::pie {
namespace fs = std::filesystem;

namespace {

// A log that cannot be opened is no reason not to show or mend the configuration that says where it is.
void open_log_of(const Config& config) {
  if (auto opened = open_program_log(config, {}); !opened) log_warning("{}", opened.error().message);
}

}  // namespace

Result<> config_init(const fs::path& given, bool dummy, bool force) {
  const auto path = given.empty() ? default_config_path() : given;
  std::error_code code;
  if (fs::exists(path, code) && !force)
    return fail(ErrorKind::Usage, "[config] {} exists; `pie config update` changes it, --force replaces it",
                path.string());
  TRY(write_file(path, new_config_text(dummy), 0600));
  fmt::print("wrote {}\n", path.string());
  return {};
}

Result<> config_show(const fs::path& path, bool json) {
  ASSIGN_OR_RETURN(const auto config, load_config(path));
  open_log_of(config);
  if (json) {
    fmt::print("{}", config_json(config));
    return {};
  }
  fmt::print("# {}\n", config.path.empty()
                           ? fmt::format("no file at {}: these are the defaults", default_config_path().string())
                           : config.path.string());
  fmt::print("{}", config_toml(config));
  if (auto served = check_served(config); !served)
    fmt::print(stderr, "note: `pie run` refuses this configuration: {}\n", served.error().message);
  return {};
}

Result<> config_update(const ConfigUpdate& update) {
  if (update.words.empty())
    return fail(ErrorKind::Usage, "[config] nothing to change; `pie config update --help` lists the keys");
  auto path = update.path.empty() ? default_config_path() : update.path;
  std::error_code code;
  if (fs::is_symlink(path, code)) path = fs::canonical(path, code);  // the file behind it is replaced, not the link
  ASSIGN_OR_RETURN(const auto before, read_config(path));
  open_log_of(before);
  if (update.model >= before.models.size())
    return fail(ErrorKind::Usage, "[config] --model; got {}, need at most {}: the file has {} [[model]] sections",
                update.model, before.models.size() - 1, before.models.size());
  std::vector<Change> changes;
  bool source = false, hf_repo = false;
  for (const auto& [key, words] : update.words) {
    ASSIGN_OR_RETURN(auto value, value_from_words(*key, words));
    source = source || key->name == "source";
    hf_repo = hf_repo || key->name == "hf_repo";
    changes.push_back({key, std::move(value)});
  }
  if (source && hf_repo)
    return fail(ErrorKind::Usage, "[config] --source and --hf-repo say the same; need one of them");
  // One of the two replaces the other.
  const auto& model = before.models[update.model];
  if (hf_repo && !model.source.empty()) changes.insert(changes.begin(), Change{find_key(true, "source"), Text()});
  if (source && !model.hf_repo.empty()) changes.insert(changes.begin(), Change{find_key(true, "hf_repo"), Text()});

  ASSIGN_OR_RETURN(const auto text, read_file(path, kConfigBytesLimit));
  ASSIGN_OR_RETURN(const auto changed, change_config_text(text, update.model, changes));
  ASSIGN_OR_RETURN(const auto after, parse_config(changed, path));
  TRY(check_served(after));
  TRY(write_file(path, changed, 0600));
  for (const auto& change : changes) {
    const auto note = effect_text(change.key->effect);
    log_info("[config] {}: {}.{} = {}", path.string(), change.key->section(), change.key->name,
             toml_text(change.value));
    fmt::print("{}.{} = {}{}{}\n", change.key->section(), change.key->name, toml_text(change.value),
               note.empty() ? "" : "  # ", note);
  }
  return {};
}

}  // namespace hearth::pie
