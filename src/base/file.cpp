#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace hearth {
namespace {

std::unexpected<Error> system_error(std::string_view what, const std::filesystem::path& path) {
  const int code = errno;
  const ErrorKind kind = code == ENOENT                                      ? ErrorKind::NotFound
                         : code == ENOSPC || code == EDQUOT || code == EFBIG ? ErrorKind::Limit
                                                                             : ErrorKind::Io;
  return fail(kind, "[file] {} {}: {}", what, path.string(), std::strerror(code));
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path, Reading reading) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error("open", path);
  struct stat info{};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return fail(ErrorKind::Invalid, "[file] {} is not a regular file", path.string());
  }
  MappedFile file;
  file.size_ = static_cast<size_t>(info.st_size);
  if (file.size_ > 0) {
    void* data = ::mmap(nullptr, file.size_, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
      file.size_ = 0;
      auto error = system_error("map", path);
      ::close(fd);
      return error;
    }
    file.data_ = static_cast<const std::byte*>(data);
    if (reading == Reading::Once) ::madvise(data, file.size_, MADV_NOHUGEPAGE);  // a wish, no more
  }
  ::close(fd);
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void prefault(std::span<const std::byte> bytes, const std::stop_token& stop) {
  constexpr size_t kPart = size_t{4} << 20;  // between two looks at `stop`
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  auto* begin = const_cast<std::byte*>(bytes.data()) - address % page;
  for (size_t left = bytes.size() + address % page; left > 0 && !stop.stop_requested();) {
    const size_t part = std::min(left, kPart);
    if (::madvise(begin, part, MADV_POPULATE_READ) != 0) return;
    begin += part;
    left -= part;
  }
}

void release_pages(std::span<const std::byte> bytes) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t begin = (address + page - 1) / page * page, end = (address + bytes.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // a wish, no more
}

Result<std::string> read_file(const std::filesystem::path& path, size_t limit) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error("open", path);
  std::string text;
  std::vector<char> block(1 << 16);
  for (;;) {
    const ssize_t n = ::read(fd, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      auto error = system_error("read", path);
      ::close(fd);
      return error;
    }
    if (n == 0) break;
    text.append(block.data(), static_cast<size_t>(n));
    if (text.size() > limit) {
      ::close(fd);
      return fail(ErrorKind::Limit, "[file] {} is larger than {} bytes", path.string(), limit);
    }
  }
  ::close(fd);
  return text;
}

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& path, unsigned mode) {
  AtomicFile file;
  file.path_ = path;
  if (path.has_parent_path()) {
    std::error_code code;
    std::filesystem::create_directories(path.parent_path(), code);
    if (code) return fail(ErrorKind::Io, "[file] create folder {}: {}", path.parent_path().string(), code.message());
  }
  std::string name = path.string() + ".XXXXXX";
  file.fd_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (file.fd_ < 0) return system_error("create a temporary file for", path);
  file.temporary_ = name;
  if (::fchmod(file.fd_, mode) != 0) return system_error("set the mode of", path);
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})) {}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<> AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("write", path_);
    size_ += static_cast<uint64_t>(n);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

Result<> AtomicFile::write(std::string_view text) {
  return write(std::as_bytes(std::span(text.data(), text.size())));
}

Result<> AtomicFile::pad_to(uint64_t alignment) {
  static constexpr std::byte kZeros[4096] = {};
  uint64_t missing = (alignment - size_ % alignment) % alignment;
  while (missing > 0) {
    const uint64_t n = std::min<uint64_t>(missing, sizeof kZeros);
    TRY(write(std::span(kZeros, n)));
    missing -= n;
  }
  return {};
}

Result<> AtomicFile::commit() {
  if (::fsync(fd_) != 0) return system_error("flush", path_);
  if (::close(std::exchange(fd_, -1)) != 0) return system_error("close", path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return system_error("rename to", path_);
  temporary_.clear();
  return {};
}

Result<> write_file(const std::filesystem::path& path, std::string_view text, unsigned mode) {
  ASSIGN_OR_RETURN(auto file, AtomicFile::create(path, mode));
  TRY(file.write(text));
  return file.commit();
}

}  // namespace hearth
