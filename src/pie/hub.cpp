// Models from a Hugging Face hub: GET /api/models/REPO/revision/REV?blobs=true lists the files of one commit,
// /REPO/resolve/COMMIT/FILE gives them, by redirect to a storage host as a rule.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/environment.h"
#include "base/file.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "net/download.h"
#include "pie/model_download.h"

namespace hearth::pie {
namespace fs = std::filesystem;
namespace {

constexpr size_t kListingBytesLimit = 32 << 20;
constexpr size_t kFileCountLimit = 10'000;

struct HubFile {
  std::string path;  // in the repository
  std::optional<uint64_t> size;
  std::optional<std::string> sha256;    // of large files
  std::optional<std::string> git_sha1;  // of small ones
  std::string name() const { return fs::path(path).filename().string(); }
};

struct Hub {
  std::string endpoint, token;
};

Hub hub_from_environment() {
  Hub hub{environment("HF_ENDPOINT").value_or("https://huggingface.co"), environment("HF_TOKEN").value_or("")};
  while (hub.endpoint.ends_with('/')) hub.endpoint.pop_back();
  return hub;
}

bool is_hex(const std::string& text, size_t digits) {
  return text.size() == digits &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// A path inside a repository that is safe to put into a URL and, its last segment, into a folder.
bool is_safe(const std::string& path) {
  if (path.empty() || path.size() > 1000 || path.front() == '/' || path.back() == '/') return false;
  for (const auto& segment : fs::path(path))
    if (segment == "." || segment == ".." || segment.string().front() == '.') return false;
  return std::none_of(path.begin(), path.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\' || c == ':';
  });
}

std::unexpected<Error> status_error(const Hub& hub, const ModelSource& source, long status) {
  const auto host = net::printable_url(hub.endpoint);
  if (status == 401 || status == 403)
    return fail(ErrorKind::NotFound,
                "[hub] {}: {} refuses access to {} (status {}): it does not exist there or needs {}", source.text(),
                host, source.name, status,
                hub.token.empty() ? "a token; set HF_TOKEN" : "a token with more rights than HF_TOKEN has");
  if (status == 404)
    return fail(ErrorKind::NotFound, "[hub] {}: {} does not know {}{}", source.text(), host, source.name,
                source.revision.empty() ? "" : " at " + source.revision);
  return fail(ErrorKind::Io, "[hub] {}: {} answered with status {}", source.text(), host, status);
}

// The files of one commit; `commit` gets its name.
Result<std::vector<HubFile>> list_files(net::HttpClient& client, const Hub& hub, const ModelSource& source,
                                        std::string& commit, std::stop_token stop) {
  const auto revision = source.revision.empty() ? "main" : source.revision;
  ASSIGN_OR_RETURN(const auto answer,
                   client.get({.url = fmt::format("{}/api/models/{}/revision/{}?blobs=true", hub.endpoint,
                                                  net::encode_path(source.name), net::encode_path(revision)),
                               .bearer_token = hub.token,
                               .body_limit = kListingBytesLimit},
                              stop));
  if (answer.head.status != 200) return status_error(hub, source, answer.head.status);
  const auto json = nlohmann::json::parse(answer.body, nullptr, false);
  const auto broken = [&](std::string_view what) {
    return fail(ErrorKind::Invalid, "[hub] {}: the file list of {} is broken: {}", source.text(),
                net::printable_url(hub.endpoint), what);
  };
  if (!json.is_object()) return broken("not a JSON object");
  const auto sha = json.find("sha");
  if (sha == json.end() || !sha->is_string() || !is_hex(sha->get<std::string>(), 40)) return broken("no commit name");
  commit = sha->get<std::string>();
  const auto siblings = json.find("siblings");
  if (siblings == json.end() || !siblings->is_array()) return broken("no files");
  if (siblings->size() > kFileCountLimit) return broken("too many files");
  std::vector<HubFile> files;
  for (const auto& item : *siblings) {
    if (!item.is_object() || !item.contains("rfilename") || !item["rfilename"].is_string())
      return broken("a file without a name");
    HubFile file{.path = item["rfilename"].get<std::string>()};
    if (!is_safe(file.path)) continue;  // hidden files, and names that lead elsewhere
    if (item.contains("size") && item["size"].is_number_unsigned()) file.size = item["size"].get<uint64_t>();
    if (item.contains("lfs") && item["lfs"].is_object()) {
      const auto& lfs = item["lfs"];
      for (const char* key : {"sha256", "oid"})
        if (lfs.contains(key) && lfs[key].is_string() && is_hex(lfs[key].get<std::string>(), 64))
          file.sha256 = lfs[key].get<std::string>();
    } else if (item.contains("blobId") && item["blobId"].is_string() && is_hex(item["blobId"].get<std::string>(), 40)) {
      file.git_sha1 = item["blobId"].get<std::string>();
    }
    files.push_back(std::move(file));
  }
  return files;
}

// A repository holds more than a model: other formats, other precisions, pictures. This is the part that is used.
Result<std::vector<HubFile>> choose(const ModelSource& source, const DownloadOptions& options,
                                    const std::vector<HubFile>& files) {
  std::vector<HubFile> tensors, ggufs, chosen;
  bool config = false;
  for (const auto& file : files) {
    const bool top = file.path.find('/') == std::string::npos;
    if (top && file.path.ends_with(".safetensors")) tensors.push_back(file);
    if (file.path.ends_with(".gguf")) ggufs.push_back(file);
    config = config || file.path == "config.json";
  }
  std::string names;
  for (const auto& file : ggufs) names += "\n  " + file.path;
  if (!options.file.empty()) {
    const auto found = std::find_if(ggufs.begin(), ggufs.end(), [&](const auto& f) { return f.path == options.file; });
    if (found == ggufs.end())
      return fail(ErrorKind::NotFound, "[hub] {} has no file {}{}", source.text(), options.file,
                  names.empty() ? "" : "; it has" + names);
    return std::vector<HubFile>{*found};
  }
  if (!tensors.empty() && config) {
    static constexpr std::string_view kBeside[] = {
        "config.json",           "generation_config.json",  "tokenizer.json",    "tokenizer.model",
        "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "model.safetensors.index.json",
        "chat_template.jinja",   "chat_template.json",      "vocab.json",        "merges.txt"};
    for (const auto& file : files)
      if (std::find(std::begin(kBeside), std::end(kBeside), file.path) != std::end(kBeside)) chosen.push_back(file);
    // "model.safetensors" or its shards; a repository may have another copy under another name beside them.
    const bool standard =
        std::any_of(tensors.begin(), tensors.end(), [](const auto& f) { return f.path.starts_with("model"); });
    for (const auto& file : tensors)
      if (!standard || file.path.starts_with("model")) chosen.push_back(file);
    return chosen;
  }
  if (ggufs.size() == 1) return ggufs;
  if (ggufs.size() > 1)
    return fail(ErrorKind::Usage, "[hub] {} has {} .gguf files; choose one with --file:{}", source.text(), ggufs.size(),
                names);
  return fail(ErrorKind::Unsupported, "[hub] {} has neither config.json with *.safetensors nor a .gguf file",
              source.text());
}

Result<StoredFile> fetch(net::HttpClient& client, const Hub& hub, const ModelSource& source, const std::string& commit,
                         const HubFile& file, const fs::path& staging, std::stop_token stop) {
  const auto whole = staging / file.name();
  const auto identity = (file.sha256 ? *file.sha256 : file.git_sha1 ? *file.git_sha1 : commit).substr(0, 16);
  net::Download what{.url = fmt::format("{}/{}/resolve/{}/{}", hub.endpoint, net::encode_path(source.name), commit,
                                        net::encode_path(file.path)),
                     .bearer_token = hub.token,
                     .part = staging / fmt::format("{}.{}.part", file.name(), identity),
                     .size = file.size,
                     .sha256 = file.sha256,
                     .git_sha1 = file.git_sha1};
  std::error_code code;
  if (fs::exists(whole, code)) fs::rename(whole, what.part, code);  // of an attempt that ended between two files
  const uint64_t already = fs::exists(what.part, code) ? fs::file_size(what.part, code) : 0;
  if (file.size && *file.size > already) TRY(check_room(staging, *file.size - already));
  cli::ProgressBar bar(file.name(), file.size.value_or(0), already);
  what.progress = [&](uint64_t done) { bar.update(done); };
  ASSIGN_OR_RETURN(const auto got, net::download(client, what, stop));
  bar.finish();
  fs::rename(what.part, whole, code);
  if (code) return fail(ErrorKind::Io, "[hub] rename {}: {}", what.part.string(), code.message());
  return StoredFile{file.name(), got.size, got.sha256};
}

}  // namespace

Result<StoredModel> fetch_from_hub(const ModelSource& source, const DownloadOptions& options, const fs::path& staging,
                                   std::stop_token stop) {
  const auto hub = hub_from_environment();
  net::HttpClient client;
  StoredModel model;
  ASSIGN_OR_RETURN(const auto files, list_files(client, hub, source, model.revision, stop));
  ASSIGN_OR_RETURN(const auto chosen, choose(source, options, files));
  uint64_t missing = 0;
  for (const auto& file : chosen) {
    std::error_code code;
    if (!fs::exists(staging / file.name(), code)) missing += file.size.value_or(0);
  }
  // Parts of an earlier attempt count as missing here: this check must not refuse what would just fit.
  if (std::error_code code; fs::is_empty(staging, code)) TRY(check_room(staging, missing));
  for (const auto& file : chosen) {
    ASSIGN_OR_RETURN(auto stored, fetch(client, hub, source, model.revision, file, staging, stop));
    model.files.push_back(std::move(stored));
  }
  return model;
}

}  // namespace hearth::pie
