#include "runtime/compiled_cache.h"

#include <algorithm>
#include <vector>

#include "base/build_id.h"
#include "base/log.h"
#include "import/pfm/read_pfm.h"
#include "import/pfm/write_pfm.h"
#include "ops/cpu/dense.h"
#include "tensor/checksum.h"

namespace hearth::runtime {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSuffix = ".pfm";
constexpr std::string_view kMetadata = "hearth.compiled";  // key of the model's metadata that says what it is

constexpr size_t kNameDigits = 16;  // of the checksum in a file's name

// "NAME-0123456789abcdef.pfm": a compiled model, and nothing that somebody else keeps in the folder.
bool is_ours(std::string_view name) {
  if (!name.ends_with(kSuffix)) return false;
  name.remove_suffix(kSuffix.size());
  if (name.size() <= kNameDigits || name[name.size() - kNameDigits - 1] != '-') return false;
  return name.find_first_not_of("0123456789abcdef", name.size() - kNameDigits) == name.npos;
}

// "SIZE TIME PATH": another text when the file has changed. "" when it cannot be looked at.
std::string stamp(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return {};
  const auto time = fs::last_write_time(path, error);
  if (error) return {};
  return fmt::format("{} {} {}", size, time.time_since_epoch().count(), path.string());
}

// The files beside the model's that its weights come from, one line each.
std::string files_text(const std::vector<std::string>& paths) {
  std::string text;
  for (const std::string& path : paths) text += fmt::format("file {}\n", stamp(path));
  return text;
}

// The lines of files_text(): is each file still as it was?
bool files_unchanged(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos || !text.starts_with("file ")) return false;
    const std::string_view line = text.substr(5, end - 5);
    const size_t first = line.find(' '), second = first == line.npos ? first : line.find(' ', first + 1);
    if (second == line.npos || stamp(fs::path(line.substr(second + 1))) != line) return false;
    text.remove_prefix(end + 1);
  }
  return true;
}

}  // namespace

Result<CompiledCache> CompiledCache::make(const fs::path& folder, std::string_view name, std::string key) {
  const std::string build = build_id();
  if (build.empty())
    return fail(ErrorKind::Unsupported, "[cache] this program has no build id; link it with --build-id");
  key += fmt::format("isa {}\nbuild {}\n", ops::cpu::to_string(ops::cpu::dense_kernels().isa), build);
  fs::path path = folder / fmt::format("{}-{:0{}x}{}", name, checksum(key), kNameDigits, kSuffix);
  return CompiledCache(std::move(path), std::move(key));
}

Result<CompiledCache> CompiledCache::of_file(const fs::path& folder, const fs::path& model, std::string options) {
  std::error_code error;
  const fs::path whole = fs::canonical(model, error);
  if (error) return fail(ErrorKind::NotFound, "[model] {}: {}", model.string(), error.message());
  const std::string text = stamp(whole);
  if (text.empty()) return fail(ErrorKind::Invalid, "[model] {}; need a file", model.string());
  return make(folder, whole.stem().string(), fmt::format("file {}\n{}", text, options));
}

Result<CompiledCache> CompiledCache::of_bytes(const fs::path& folder, std::span<const std::byte> model,
                                              std::string options) {
  return make(folder, "model",
              fmt::format("bytes {} {:016x}{:016x}\n{}", model.size(), checksum(model), checksum(model, 1), options));
}

std::optional<graph::Model> CompiledCache::load() const {
  std::error_code error;
  if (!fs::exists(path_, error)) return std::nullopt;
  auto model = import::read_pfm(path_);
  if (!model) {
    drop(model.error().message);
    return std::nullopt;
  }
  const auto at = model->metadata.find(std::string(kMetadata));
  if (at == model->metadata.end() || !at->second.starts_with(key_)) {
    drop("it is another model's");
    return std::nullopt;
  }
  if (!files_unchanged(std::string_view(at->second).substr(key_.size()))) {
    drop("the model's external data has changed");
    return std::nullopt;
  }
  model->metadata.erase(at);
  fs::last_write_time(path_, fs::file_time_type::clock::now(), error);  // its last use; a folder may be read-only
  return std::move(*model);
}

void CompiledCache::drop(std::string_view why) const {
  log_warning("[cache] {} is dropped and made again: {}", path_.string(), why);
  std::error_code error;
  fs::remove(path_, error);  // what cannot be removed is replaced all the same
}

void CompiledCache::store(graph::Model model, uint64_t folder_bytes) const {
  model.metadata[std::string(kMetadata)] = key_ + files_text(model.external_files);
  if (auto done = import::write_pfm(model, path_); !done)
    log_warning("[cache] {} was not written: {}", path_.string(), done.error().message);
  else if (folder_bytes > 0)
    bound_folder(folder_bytes);
}

void CompiledCache::bound_folder(uint64_t folder_bytes) const {
  struct File {
    fs::path path;
    uint64_t bytes;
    fs::file_time_type used;
  };
  std::vector<File> others;
  std::error_code error;
  uint64_t sum = fs::file_size(path_, error);
  if (error) return;
  for (fs::directory_iterator at(path_.parent_path(), error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;  // another process may remove it meanwhile
    if (at->path() == path_ || !is_ours(at->path().filename().string()) || !at->is_regular_file(gone)) continue;
    const uint64_t bytes = at->file_size(gone);
    if (gone) continue;
    const auto used = at->last_write_time(gone);
    if (gone) continue;
    others.push_back({at->path(), bytes, used});
    sum += bytes;
  }
  std::ranges::sort(others, {}, &File::used);
  for (const File& file : others) {
    if (sum <= folder_bytes) return;
    if (fs::remove(file.path, error) || !error) sum -= file.bytes;
  }
}

}  // namespace hearth::runtime
