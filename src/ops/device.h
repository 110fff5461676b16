// A Device: memory, weights and ops of one machine part, chosen by name ("ref", "cpu", later "cuda:0").
// llm/ and engine/ speak to this face only. Backends are ordered tables of {op, supports → reason if not, launch};
// the first that supports a call wins, and the last is always ref, so every legal call runs.
//
// Threads: run() and the copies of one Device are called by one thread at a time (the engine's); allocation and
// packing may happen on any thread. CPU devices finish inside run(); others may queue until synchronize().
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ops/op.h"

namespace hearth::ops {

// Device memory, 64-byte aligned at least (page-aligned above 1 MiB). Move-only; freed with the object.
class Buffer {
 public:
  Buffer() = default;
  Buffer(void* data, size_t bytes, void (*release)(void*, size_t)) : data_(data), bytes_(bytes), release_(release) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() {
    if (data_ != nullptr) release_(data_, bytes_);
  }
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(release_, other.release_);
  }
  void* data_ = nullptr;
  size_t bytes_ = 0;
  void (*release_)(void*, size_t) = nullptr;
};

// What pack() would make of a weight.
struct PackedForm {
  Layout layout = Layout::Plain;
  DType dtype = DType::F32;  // may differ from the source (f16 kept, or widened)
  size_t bytes = 0;
};

// How a buffer is used, which decides on the pages behind it.
enum class Use {
  Whole,   // from its beginning on: large pages pay
  Regions  // a little at the start of each of several regions: a large page would be cleared for every one of them
};

struct DeviceOptions {
  int threads = 0;  // 0: one per core this process may use
  std::string isa;  // "": best of the machine (or HEARTH_ISA); else portable | avx2 | avx512
};

class Device {
 public:
  virtual ~Device() = default;

  virtual std::string_view name() const = 0;  // "ref", "cpu"
  virtual std::string_view isa() const = 0;   // "scalar", "portable", "avx2", "avx512"
  virtual int threads() const = 0;
  // Names the packed layouts and their version: part of the prepared file's key.
  virtual std::string_view packing_id() const = 0;
  // Type of the KV cache that its attention kernels prefer.
  virtual DType kv_dtype() const = 0;

  // Zeroed memory, touched lazily where the system allows it.
  virtual Result<Buffer> allocate(size_t bytes, Use use = Use::Whole) = 0;
  virtual Result<> upload(void* device, const void* host, size_t bytes) = 0;
  virtual Result<> download(void* host, const void* device, size_t bytes) = 0;
  virtual bool host_visible() const = 0;  // device pointers may be read and written by the CPU

  // Matrices [n, k] for matmul and gather_rows. `sources` are stacked along n (fused QKV, gate+up) and share k and
  // dtype.
  virtual PackedForm packed_form(DType dtype, int64_t n, int64_t k) const = 0;
  virtual Result<> pack(std::span<const TensorView> sources, void* destination) const = 0;

  // Validates, then runs the first kernel that serves the call.
  virtual Result<> run(Op op, const HearthOpCall& call) = 0;
  virtual Result<> synchronize() = 0;
  // The kernels that would be asked in turn, best first, each with "serves" or why not: for --explain and tests.
  virtual std::vector<std::string> explain(Op op, const HearthOpCall& call) const = 0;
  // Name of the kernel that served the last run() ("avx512.matmul_q4"), for tests that prove which one ran.
  virtual std::string_view last_kernel() const = 0;
};

// "ref" or "cpu". Anything else names what is missing: cuda:0 without a GPU is Unsupported.
Result<std::unique_ptr<Device>> open_device(std::string_view name, const DeviceOptions& options = {});

}  // namespace hearth::ops
