#include "pie/model_store.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/log.h"
#include "base/nearest_word.h"
#include "llm/model_file.h"
#include "llm/prepared_weights.h"

namespace hearth::pie {
namespace fs = std::filesystem;
namespace {

constexpr size_t kManifestBytesLimit = 16 << 20;

std::unexpected<Error> io_error(std::string_view what, const fs::path& path, const std::error_code& code) {
  return fail(ErrorKind::Io, "[model] {} {}: {}", what, path.string(), code.message());
}

}  // namespace

uint64_t StoredModel::size() const {
  uint64_t sum = 0;
  for (const auto& file : files) sum += file.size;
  return sum;
}

fs::path StoredModel::model_path() const {
  for (const auto& file : files)
    if (file.name.ends_with(".gguf")) return folder / file.name;
  return folder;
}

std::string manifest_text(const StoredModel& model) {
  nlohmann::ordered_json json;
  json["source"] = model.source;
  json["revision"] = model.revision;
  json["date"] = model.date;
  json["size"] = model.size();
  json["files"] = nlohmann::ordered_json::array();
  for (const auto& file : model.files)
    json["files"].push_back({{"name", file.name}, {"size", file.size}, {"sha256", file.sha256}});
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

Result<StoredModel> parse_manifest(std::string_view text, const fs::path& folder) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto broken = [&] {
    return fail(ErrorKind::Invalid, "[model] {} is broken", (folder / "manifest.json").string());
  };
  if (!json.is_object()) return broken();
  const auto text_of = [](const nlohmann::json& object, const char* key) {
    const auto item = object.find(key);
    return item != object.end() && item->is_string() ? item->get<std::string>() : std::string();
  };
  StoredModel model{.source = text_of(json, "source"),
                    .revision = text_of(json, "revision"),
                    .date = text_of(json, "date"),
                    .folder = folder};
  const auto files = json.find("files");
  if (model.source.empty() || files == json.end() || !files->is_array()) return broken();
  for (const auto& item : *files) {
    if (!item.is_object() || !item.contains("size") || !item["size"].is_number_unsigned()) return broken();
    StoredFile file{text_of(item, "name"), item["size"].get<uint64_t>(), text_of(item, "sha256")};
    if (file.name.empty() || file.name.find('/') != std::string::npos || file.name == "..") return broken();
    model.files.push_back(std::move(file));
  }
  return model;
}

std::vector<StoredModel> ModelStore::list() const {
  std::vector<StoredModel> found;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(models(), code)) {
    const auto manifest = entry.path() / "manifest.json";
    std::error_code missing;
    if (!fs::is_regular_file(manifest, missing)) continue;
    auto text = read_file(manifest, kManifestBytesLimit);
    auto model = text ? parse_manifest(*text, entry.path()) : std::unexpected(text.error());
    if (model)
      found.push_back(std::move(model).value());
    else
      log_error("{}", model.error().message);
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.source < b.source; });
  return found;
}

std::optional<StoredModel> ModelStore::find(const ModelSource& source) const {
  const auto folder = models() / source.folder_name();
  auto text = read_file(folder / "manifest.json", kManifestBytesLimit);
  if (!text) return std::nullopt;
  auto model = parse_manifest(*text, folder);
  if (!model) {
    log_error("{}", model.error().message);
    return std::nullopt;
  }
  return std::move(model).value();
}

Result<StoredModel> ModelStore::adopt(const ModelSource& source, StoredModel model) {
  const auto from = staging(source), to = models() / source.folder_name(), old = fs::path(from.string() + ".old");
  TRY(write_file(from / "manifest.json", manifest_text(model)));
  // Another download of the same files is another model to the cache: what was prepared of the old one is of no use.
  if (const auto old_model = find(source)) TRY(remove_prepared(old_model->model_path()));
  std::error_code code;
  fs::create_directories(models(), code);
  if (code) return io_error("create", models(), code);
  fs::remove_all(old, code);
  if (fs::exists(to, code)) fs::rename(to, old, code);
  if (code) return io_error("replace", to, code);
  fs::rename(from, to, code);
  if (code) return io_error("move to", to, code);
  fs::remove_all(old, code);
  model.folder = to;
  return model;
}

Result<uint64_t> ModelStore::remove_prepared(const fs::path& model_path) const {
  const auto file = llm::open_model_file(model_path);
  if (!file) {
    log_info("[model] {} cannot be opened, so nothing was prepared of it: {}", model_path.string(),
             file.error().message);
    return 0;
  }
  return llm::remove_prepared(prepared(), (*file)->fingerprint());
}

Result<Freed> ModelStore::remove(const ModelSource& source) {
  const auto model = find(source);
  std::error_code code;
  Freed freed;
  const bool in_place = source.kind == ModelSource::Kind::File && fs::exists(source.name, code);
  if (in_place) {
    ASSIGN_OR_RETURN(freed.prepared, remove_prepared(source.name));
    if (!model) return freed;
  }
  if (!model) {
    std::vector<std::string> known;
    for (const auto& other : list()) known.push_back(other.source);
    return fail(ErrorKind::NotFound, "[model] {} is not on this machine{}", source.text(),
                suggestion(source.text(), known));
  }
  freed.model = model->size();
  ASSIGN_OR_RETURN(const uint64_t prepared, remove_prepared(model->model_path()));  // first: the model says which
  freed.prepared += prepared;
  // Renamed away first: a half removed folder must not look like a model.
  const auto trash = fs::path(staging(source).string() + ".removed");
  fs::create_directories(trash.parent_path(), code);
  fs::remove_all(trash, code);
  fs::rename(model->folder, trash, code);
  if (code) return io_error("remove", model->folder, code);
  fs::remove_all(trash, code);
  if (code) return io_error("remove", trash, code);
  return freed;
}

Result<fs::path> local_model_path(const ModelStore& store, const ModelSource& source) {
  if (source.kind == ModelSource::Kind::File) {
    std::error_code code;
    if (!fs::exists(source.name, code)) return fail(ErrorKind::NotFound, "[model] {} does not exist", source.name);
    return fs::path(source.name);
  }
  const auto model = store.find(source);
  if (!model)
    return fail(ErrorKind::NotFound, "[model] {} is not on this machine; `pie model download {}` brings it",
                source.text(), source.text());
  return model->model_path();
}

}  // namespace hearth::pie
