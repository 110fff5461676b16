#include "net/download.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"

namespace hearth::net {
namespace {

// The part file: appended to, its length known.
class PartFile {
 public:
  static Result<PartFile> open(const std::filesystem::path& path) {
    std::error_code code;
    std::filesystem::create_directories(path.parent_path(), code);
    if (code) return fail(ErrorKind::Io, "[download] create {}: {}", path.parent_path().string(), code.message());
    PartFile part;
    part.path_ = path;
    part.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (part.fd_ < 0) return part.error("open");
    const off_t end = ::lseek(part.fd_, 0, SEEK_END);
    if (end < 0) return part.error("seek in");
    part.size_ = static_cast<uint64_t>(end);
    return part;
  }
  PartFile(PartFile&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), size_(other.size_), path_(std::move(other.path_)) {}
  ~PartFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  uint64_t size() const { return size_; }

  Result<> append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return error("write");
      size_ += static_cast<uint64_t>(n);
      bytes = bytes.subspan(static_cast<size_t>(n));
    }
    return {};
  }

  Result<> clear() {
    if (::ftruncate(fd_, 0) != 0 || ::lseek(fd_, 0, SEEK_SET) < 0) return error("truncate");
    size_ = 0;
    return {};
  }

  Result<> flush() {
    if (::fsync(fd_) != 0) return error("flush");
    return {};
  }

 private:
  PartFile() = default;
  std::unexpected<Error> error(const char* what) const {
    const int code = errno;
    const bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
    return fail(full ? ErrorKind::Limit : ErrorKind::Io, "[download] {} {}: {}", what, path_.string(),
                std::strerror(code));
  }
  int fd_ = -1;
  uint64_t size_ = 0;
  std::filesystem::path path_;
};

// "bytes 100-199/200" → 100
std::optional<uint64_t> range_begin(const std::optional<std::string>& header) {
  if (!header || !header->starts_with("bytes ")) return std::nullopt;
  uint64_t value = 0;
  const auto [end, code] = std::from_chars(header->data() + 6, header->data() + header->size(), value);
  if (code != std::errc() || *end != '-') return std::nullopt;
  return value;
}

std::optional<std::string> sha256_etag(const HttpHead& head) {
  for (const char* name : {"x-linked-etag", "etag"}) {
    auto value = head.first(name);
    if (!value) continue;
    std::erase(*value, '"');
    const bool hex = std::all_of(value->begin(), value->end(),
                                 [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
    if (value->size() == 64 && hex) return value;
  }
  return std::nullopt;
}

Result<> status_error(const HttpHead& head, const std::string& where) {
  const auto kind = head.status >= 400 && head.status < 500 ? ErrorKind::NotFound : ErrorKind::Io;
  return fail(kind, "[download] {}: status {}", where, head.status);
}

Result<Downloaded> verified(const Download& what, const std::optional<std::string>& expected_sha256) {
  const auto wrong = [&](std::string_view name, std::string_view got, std::string_view need) -> std::unexpected<Error> {
    std::error_code code;
    std::filesystem::remove(what.part, code);
    return fail(ErrorKind::Invalid, "[download] {}: wrong content, thrown away; got {} {}, need {}",
                printable_url(what.url), name, got, need);
  };
  ASSIGN_OR_RETURN(const auto file, MappedFile::open(what.part));
  Downloaded result{.size = file.bytes().size()};
  if (what.size && result.size != *what.size)
    return wrong("size", std::to_string(result.size), std::to_string(*what.size));
  auto sha256 = Digest::sha256();
  sha256.update(file.bytes());
  result.sha256 = sha256.hex();
  if (expected_sha256) {
    if (result.sha256 != *expected_sha256) return wrong("sha256", result.sha256, *expected_sha256);
    result.verified = true;
  }
  if (what.git_sha1) {
    auto sha1 = Digest::sha1();
    sha1.update(fmt::format("blob {}", result.size));
    sha1.update(std::string_view("\0", 1));
    sha1.update(file.bytes());
    const auto name = sha1.hex();
    if (name != *what.git_sha1) return wrong("git object", name, *what.git_sha1);
    result.verified = true;
  }
  return result;
}

}  // namespace

Result<Downloaded> download(HttpClient& client, const Download& what, std::stop_token stop) {
  const std::string where = printable_url(what.url);
  ASSIGN_OR_RETURN(auto part, PartFile::open(what.part));
  if (what.size && part.size() > *what.size) TRY(part.clear());
  auto expected = what.sha256;
  bool complete = what.size && part.size() == *what.size && *what.size > 0;
  if (what.progress) what.progress(part.size());

  for (int attempt = 1; !complete; ++attempt) {
    const uint64_t begin = part.size();
    HttpRequest request{.url = what.url, .bearer_token = what.bearer_token};
    if (begin > 0) request.headers.emplace_back("Range", fmt::format("bytes={}-", begin));
    bool placed = false;
    const auto head = client.stream(
        request,
        [&](const HttpHead& answer, std::span<const std::byte> bytes) -> Result<> {
          if (!placed) {
            placed = true;
            // A host that does not know ranges sends the whole content again.
            if (answer.status != 206 && part.size() > 0) TRY(part.clear());
            if (answer.status == 206 && range_begin(answer.last("content-range")) != begin)
              return fail(ErrorKind::Invalid, "[download] {}: content-range; got {}, need it to begin at {}", where,
                          answer.last("content-range").value_or("none"), begin);
          }
          if (what.size && part.size() + bytes.size() > *what.size)
            return fail(ErrorKind::Invalid, "[download] {}: more than the {} bytes that were announced", where,
                        *what.size);
          TRY(part.append(bytes));
          if (what.progress) what.progress(part.size());
          return {};
        },
        stop);
    if (head && head->status == 416 && begin > 0) {  // the part is longer than the content: start over
      TRY(part.clear());
      continue;
    }
    if (head && head->status >= 200 && head->status < 300) {
      if (!expected) expected = sha256_etag(*head);
      complete = true;
      break;
    }
    if (head && !transient_status(head->status)) {
      if (part.size() == 0) std::filesystem::remove(what.part);
      TRY(status_error(*head, where));
    }
    if (!head && !head.error().transient) {
      std::error_code code;
      if (part.size() == 0) std::filesystem::remove(what.part, code);
      return std::unexpected(head.error().error);
    }
    if (part.size() > begin) attempt = 0;  // it moves: such a break costs no attempt
    const int most =
        !head && head.error().no_answer ? std::min(3, client.options().attempts) : client.options().attempts;
    if (attempt >= most) {
      std::error_code code;
      if (part.size() == 0) std::filesystem::remove(what.part, code);
      if (head) TRY(status_error(*head, where));
      return std::unexpected(head.error().error);
    }
    log_info("[download] {}: broke off at {} bytes, trying again", where, part.size());
    TRY(client.pause(std::max(attempt, 1), stop));
  }
  TRY(part.flush());
  return verified(what, expected);
}

}  // namespace hearth::net
