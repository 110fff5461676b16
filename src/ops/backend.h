// How a backend offers its kernels: one explicit, ordered table; the first entry that supports a call wins.
#pragma once

#include <span>
#include <string_view>

#include "ops/device.h"
#include "ops/op.h"

namespace hearth::ops {

struct KernelEntry {
  Op op;
  std::string_view name;  // "avx512.matmul", "ref.rope"
  // nullptr when the kernel serves this (valid) call, else why not, in a few words. A null function serves every call.
  const char* (*refuses)(const HearthOpCall& call);
  HearthOpFn launch;
};

// All ref kernels: the tail of every table. In the order of the inventory.
std::span<const KernelEntry> ref_kernels();

// A device whose memory is the host's: everything but its kernels and packing. run() offers the call to `kernels` in
// order, then to ref.
class HostDevice : public Device {
 public:
  std::string_view name() const override { return name_; }
  Result<Buffer> allocate(size_t bytes, Use use = Use::Whole) override;
  Result<> upload(void* device, const void* host, size_t bytes) override;
  Result<> download(void* host, const void* device, size_t bytes) override;
  bool host_visible() const override { return true; }
  Result<> run(Op op, const HearthOpCall& call) override;
  Result<> synchronize() override { return {}; }
  std::vector<std::string> explain(Op op, const HearthOpCall& call) const override;
  std::string_view last_kernel() const override { return last_kernel_; }

 protected:
  // `kernels` are static tables; `stream` is what every kernel gets as its first argument.
  HostDevice(std::string_view name, std::span<const KernelEntry> kernels, void* stream);

 private:
  std::string_view name_;
  std::vector<std::vector<const KernelEntry*>> by_op_;  // indexed by Op, best first, ref last
  void* stream_;
  std::string_view last_kernel_;
};

}  // namespace hearth::ops
