#include "engine/kv_memory.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/file.h"

namespace hearth::engine {
namespace {

constexpr size_t kUsualCap = size_t{4} << 30;
constexpr int64_t kFullContexts = 64;

std::optional<size_t> number_in(std::string_view text) {
  size_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc{} ? std::optional(value) : std::nullopt;
}

std::optional<size_t> number_file(const char* path) {
  const auto text = read_file(path, 4096);
  return text ? number_in(*text) : std::nullopt;
}

}  // namespace

Result<size_t> available_memory() {
  ASSIGN_OR_RETURN(const std::string text, read_file("/proc/meminfo", 1 << 16));
  constexpr std::string_view kKey = "MemAvailable:";
  const size_t at = text.find(kKey);
  std::optional<size_t> kib;
  if (at != std::string::npos) {
    const size_t digits = text.find_first_not_of(' ', at + kKey.size());
    if (digits != std::string::npos) kib = number_in(std::string_view(text).substr(digits));
  }
  if (!kib)
    return fail(ErrorKind::Unsupported, "[engine] /proc/meminfo has no {} line; need kv_bytes in the options", kKey);
  size_t bytes = *kib * 1024;
  // "max" and missing files mean no limit of a cgroup's own.
  if (const auto limit = number_file("/sys/fs/cgroup/memory.max"), used = number_file("/sys/fs/cgroup/memory.current");
      limit && used)
    bytes = std::min(bytes, *limit > *used ? *limit - *used : 0);
  return bytes;
}

Result<int64_t> kv_page_count(const EngineOptions& options, int64_t context_length, size_t page_bytes,
                              size_t available) {
  const int64_t context_pages = std::max<int64_t>(1, (context_length + options.page_size - 1) / options.page_size);
  size_t bytes = options.kv_bytes;
  if (bytes == 0) {
    const size_t one_context = static_cast<size_t>(context_pages) * page_bytes;
    bytes = static_cast<size_t>(static_cast<double>(available) * std::clamp(options.memory_share, 0.0, 1.0));
    bytes = std::min(bytes, std::max(kUsualCap, one_context));
    bytes = std::min(bytes, one_context * kFullContexts);
  }
  // Slots (page * page_size + offset) are 32-bit numbers in the ops.
  const int64_t pages = std::min<int64_t>(static_cast<int64_t>(bytes / page_bytes),
                                          std::numeric_limits<int32_t>::max() / options.page_size);
  if (pages < 1)
    return fail(ErrorKind::Limit, "[engine] memory for keys and values; got {} bytes, need at least one page of {}",
                bytes, page_bytes);
  return pages;
}

}  // namespace hearth::engine
