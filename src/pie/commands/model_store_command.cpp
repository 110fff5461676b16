#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/quantity.h"
#include "cli/table.h"
#include "pie/commands/commands.h"
#include "pie/model_download.h"
#include "pie/model_store.h"
#include "pie/program_log.h"

namespace hearth::pie {
namespace {

Result<ModelStore> open_store(const std::filesystem::path& config_path) {
  ASSIGN_OR_RETURN(const auto config, load_config(config_path));
  TRY(open_program_log(config, {}));
  return ModelStore(cache_root(config.engine));
}

}  // namespace

Result<> model_list(const std::filesystem::path& config, bool json) {
  ASSIGN_OR_RETURN(const auto store, open_store(config));
  const auto models = store.list();
  if (json) {
    auto array = nlohmann::ordered_json::array();
    for (const auto& model : models) {
      auto item = nlohmann::ordered_json::parse(manifest_text(model));
      item["path"] = model.model_path().string();
      array.push_back(std::move(item));
    }
    fmt::print("{}\n", array.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return {};
  }
  if (models.empty()) {
    fmt::print(stderr, "no models in {}; `pie model download {}` brings the default one\n", store.models().string(),
               kDefaultSource);
    return {};
  }
  std::vector<cli::Row> rows;
  rows.reserve(models.size());
  for (const auto& model : models)
    rows.push_back({model.source, cli::bytes_text(model.size()), model.date, model.model_path().string()});
  fmt::print("{}", cli::table({"SOURCE", "SIZE", "DATE", "PATH"}, rows));
  return {};
}

Result<> model_download(const std::filesystem::path& config, const std::vector<std::string>& sources,
                        const std::string& file, bool again, std::stop_token stop) {
  ASSIGN_OR_RETURN(auto store, open_store(config));
  std::vector<ModelSource> parsed;
  for (const auto& text : sources) {
    ASSIGN_OR_RETURN(auto source, parse_source(text));
    parsed.push_back(std::move(source));
  }
  for (const auto& source : parsed) {
    bool fresh = false;
    ASSIGN_OR_RETURN(const auto model, download_model(store, source, {.file = file, .again = again}, stop, &fresh));
    fmt::print("{}{}: {} in {}\n", model.source, fresh ? "" : " was here already", cli::bytes_text(model.size()),
               model.model_path().string());
  }
  return {};
}

Result<> model_remove(const std::filesystem::path& config, const std::vector<std::string>& sources) {
  ASSIGN_OR_RETURN(auto store, open_store(config));
  for (const auto& text : sources) {
    ASSIGN_OR_RETURN(const auto source, parse_source(text));
    const bool stored = store.find(source).has_value();
    ASSIGN_OR_RETURN(const auto freed, store.remove(source));
    if (stored)
      fmt::print("removed {}: {} freed, {} of it prepared weights\n", source.text(),
                 cli::bytes_text(freed.model + freed.prepared), cli::bytes_text(freed.prepared));
    else
      fmt::print("removed the prepared weights of {}: {} freed; the file itself stays\n", source.text(),
                 cli::bytes_text(freed.prepared));
  }
  return {};
}

}  // namespace hearth::pie
