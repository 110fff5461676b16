#include "pie/line_reader.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/log.h"
#include "base/result.h"

namespace hearth::pie {
namespace {

constexpr size_t kLineBytesLimit = 64 << 20;

}  // namespace

LineReader::LineReader(int descriptor, std::function<void(std::string)> on_line, std::function<void()> on_end)
    : descriptor_(descriptor),
      wake_(::eventfd(0, EFD_CLOEXEC)),
      on_line_(std::move(on_line)),
      on_end_(std::move(on_end)) {
  CHECK(wake_ >= 0);
  thread_ = std::thread([this] { read(); });
}

LineReader::~LineReader() {
  const uint64_t one = 1;
  CHECK(::write(wake_, &one, sizeof one) == sizeof one);
  thread_.join();
  ::close(wake_);
}

void LineReader::read() {
  std::array<char, 1 << 14> block;
  std::string line;
  for (;;) {
    std::array<pollfd, 2> watched{pollfd{descriptor_, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
    if (::poll(watched.data(), watched.size(), -1) < 0) continue;
    if (watched[1].revents != 0) return;
    const ssize_t n = ::read(descriptor_, block.data(), block.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) break;
    for (const char c : std::string_view(block.data(), static_cast<size_t>(n))) {
      if (c != '\n') {
        line += c;
        continue;
      }
      on_line_(std::exchange(line, {}));
    }
    if (line.size() > kLineBytesLimit) {
      log_error("[stdin] a line; got more than {} bytes, need fewer; what follows is not read", kLineBytesLimit);
      line.clear();
      break;
    }
  }
  if (!line.empty()) on_line_(std::move(line));  // the last line without an end
  on_end_();
}

bool may_read_stdin() {
  return ::isatty(0) != 1 || ::tcgetpgrp(0) == ::getpgrp();
}

}  // namespace hearth::pie
