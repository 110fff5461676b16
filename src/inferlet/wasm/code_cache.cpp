#include "inferlet/wasm/code_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"

namespace hearth::inferlet {
namespace {

constexpr size_t kDigestLength = 64;

// Owned by this user, and nobody else may write it.
bool private_to_us(const std::filesystem::path& path) {
  struct stat status;
  return ::lstat(path.c_str(), &status) == 0 && status.st_uid == ::geteuid() && (status.st_mode & 022) == 0 &&
         (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
}

}  // namespace

CodeCache::CodeCache(const std::filesystem::path& folder, const std::string& key) : folder_(folder) {
  if (folder.empty()) return;
  code_ = folder / (key + ".cwasm");
  digest_ = folder / (key + ".sha256");
}

std::optional<std::filesystem::path> CodeCache::find() const {
  std::error_code ignored;
  if (!enabled() || !std::filesystem::exists(code_, ignored)) return std::nullopt;
  if (!private_to_us(folder_) || !private_to_us(code_)) {
    log_warning("[code-cache] {}; got a file or folder that others may write, need it to be ours alone",
                code_.string());
    return std::nullopt;
  }
  auto expected = read_file(digest_, kDigestLength);
  auto actual = sha256_of_file(code_);
  if (!expected || !actual || *expected != *actual) {
    log_warning("[code-cache] {} is damaged; compiling again", code_.string());
    return std::nullopt;
  }
  return code_;
}

Result<> CodeCache::store(std::string_view code) const {
  std::error_code error;
  std::filesystem::create_directories(folder_.parent_path(), error);
  if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(ErrorKind::Io, "[code-cache] folder {}; got {}", folder_.string(), std::strerror(errno));
  }
  // The code first: a digest without its code, or with another one, is only a miss.
  TRY(write_file(code_, code, 0600));
  return write_file(digest_, sha256_hex(code), 0600);
}

}  // namespace hearth::inferlet
