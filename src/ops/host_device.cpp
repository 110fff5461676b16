#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "ops/backend.h"

namespace hearth::ops {
namespace {

constexpr size_t kMapAbove = size_t{1} << 20;  // larger buffers are anonymous maps: zero pages, touched lazily
constexpr size_t kAlignment = 64;

void release_map(void* data, size_t bytes) {
  ::munmap(data, bytes);
}
void release_heap(void* data, size_t) {
  std::free(data);
}

std::string status_text(int status) {
  switch (status) {
    case HEARTH_UNSUPPORTED:
      return "the kernel does not serve this call";
    case HEARTH_INVALID:
      return "a value of its inputs is out of range";
    case HEARTH_NO_MEMORY:
      return "out of memory";
    case HEARTH_DEVICE_LOST:
      return "the device is gone";
    default:
      return fmt::format("status {}", status);
  }
}

ErrorKind status_kind(int status) {
  return status == HEARTH_INVALID     ? ErrorKind::Invalid
         : status == HEARTH_NO_MEMORY ? ErrorKind::Limit
                                      : ErrorKind::Internal;
}

}  // namespace

HostDevice::HostDevice(std::string_view name, std::span<const KernelEntry> kernels, void* stream)
    : name_(name), by_op_(inventory().size()), stream_(stream) {
  for (const KernelEntry& entry : kernels) by_op_[static_cast<size_t>(entry.op)].push_back(&entry);
  for (const KernelEntry& entry : ref_kernels()) by_op_[static_cast<size_t>(entry.op)].push_back(&entry);
}

Result<Buffer> HostDevice::allocate(size_t bytes, Use use) {
  if (bytes == 0) return Buffer{};
  if (bytes > kMapAbove) {
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) return fail(ErrorKind::Limit, "[{}] memory; got none for {} bytes", name_, bytes);
    if (use == Use::Whole) ::madvise(data, bytes, MADV_HUGEPAGE);
    return Buffer(data, bytes, release_map);
  }
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* data = std::aligned_alloc(kAlignment, rounded);
  if (data == nullptr) return fail(ErrorKind::Limit, "[{}] memory; got none for {} bytes", name_, bytes);
  std::memset(data, 0, rounded);
  return Buffer(data, bytes, release_heap);
}

Result<> HostDevice::upload(void* device, const void* host, size_t bytes) {
  if (bytes > 0) std::memcpy(device, host, bytes);
  return {};
}

Result<> HostDevice::download(void* host, const void* device, size_t bytes) {
  if (bytes > 0) std::memcpy(host, device, bytes);
  return {};
}

Result<> HostDevice::run(Op op, const HearthOpCall& call) {
  TRY(validate(op, call));
  for (const KernelEntry* entry : by_op_[static_cast<size_t>(op)]) {
    if (entry->refuses != nullptr && entry->refuses(call) != nullptr) continue;
    last_kernel_ = entry->name;
    const int status = entry->launch(stream_, &call);
    if (status == HEARTH_OK) return {};
    return fail(status_kind(status), "[{}] {}", entry->name, status_text(status));
  }
  return fail(ErrorKind::Unsupported, "[{}] {}: no kernel serves these types and layouts", name_, info(op).name);
}

std::vector<std::string> HostDevice::explain(Op op, const HearthOpCall& call) const {
  std::vector<std::string> lines;
  for (const KernelEntry* entry : by_op_[static_cast<size_t>(op)]) {
    const char* reason = entry->refuses == nullptr ? nullptr : entry->refuses(call);
    lines.push_back(fmt::format("{}: {}", entry->name, reason == nullptr ? "serves" : reason));
  }
  return lines;
}

}  // namespace hearth::ops
