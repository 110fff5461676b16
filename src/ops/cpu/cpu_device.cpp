#include "ops/cpu/cpu_device.h"

#include "ops/backend.h"
#include "ops/cpu/dense_ops.h"
#include "ops/cpu/isa.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/pack.h"
#include "ops/cpu/stream.h"
#include "ops/cpu/thread_pool.h"

namespace hearth::ops {
namespace {

using namespace cpu;

constexpr int kMaxThreads = 256;

template <Layout layout>
const char* refuses_matmul(const HearthOpCall& call) {
  return layout_of(call.inputs[1]) == layout ? nullptr : "the weight is not packed for these kernels";
}
template <Layout layout>
const char* refuses_gather(const HearthOpCall& call) {
  const Layout got = layout_of(call.inputs[0]);
  return got == layout || got == Layout::Plain ? nullptr : "the table is packed for other kernels";
}
const char* refuses_attention(const HearthOpCall& call) {
  if (call.inputs[1].dtype != call.inputs[2].dtype) return "keys and values have different types";
  return call.inputs[0].dims[1] > 192 * call.inputs[1].dims[1] ? "more than 192 query heads share a key head" : nullptr;
}
const char* refuses_top_k(const HearthOpCall& call) {
  return dtype_of(call.inputs[0]) == DType::F32 ? nullptr : "rows that are not f32";
}
const char* refuses_convert(const HearthOpCall& call) {
  return is_quantised(dtype_of(call.inputs[0])) ? "a quantised source" : nullptr;
}

template <Layout layout>
constexpr auto refusal(Op op) -> const char* (*)(const HearthOpCall&) {
  switch (op) {
    case Op::Matmul:
      return refuses_matmul<layout>;
    case Op::PagedAttention:
      return refuses_attention;
    case Op::Convert:
      return refuses_convert;
    default:
      return nullptr;
  }
}

// What is the same code for every instruction set.
template <Layout layout>
constexpr KernelEntry kGather{Op::GatherRows, "cpu.gather_rows", refuses_gather<layout>, hearth_cpu_gather_rows};
constexpr KernelEntry kTopK{Op::TopK, "cpu.top_k", refuses_top_k, hearth_cpu_top_k};
constexpr KernelEntry kSample{Op::Sample, "cpu.sample", nullptr, hearth_cpu_sample};
constexpr KernelEntry kCopyPages{Op::CopyPages, "cpu.copy_pages", nullptr, hearth_cpu_copy_pages};

// Dense kernels stand first: softmax of short rows is theirs.
#define ENTRY(isa, layout, Name, name) {Op::Name, #isa "." #name, refusal<layout>(Op::Name), hearth_cpu_##isa##_##name},
#define PORTABLE(Name, name) ENTRY(portable, Layout::CpuPanel8, Name, name)
#define AVX2(Name, name) ENTRY(avx2, Layout::CpuPanel8, Name, name)
#define AVX512(Name, name) ENTRY(avx512, Layout::CpuPanel32, Name, name)
#define DENSE(isa, Isa, Name, name) {Op::Name, #isa "." #name, refuses_##name, launch_##name<Isa>},
#define PORTABLE_DENSE(Name, name) DENSE(portable, Isa::Portable, Name, name)
#define AVX2_DENSE(Name, name) DENSE(avx2, Isa::Avx2, Name, name)
#define AVX512_DENSE(Name, name) DENSE(avx512, Isa::Avx512, Name, name)
constexpr KernelEntry kPortable[] = {HEARTH_CPU_DENSE_OPS(PORTABLE_DENSE) HEARTH_CPU_ISA_OPS(PORTABLE)
                                         kGather<Layout::CpuPanel8>,
                                     kTopK, kSample, kCopyPages};
constexpr KernelEntry kAvx2[] = {HEARTH_CPU_DENSE_OPS(AVX2_DENSE) HEARTH_CPU_ISA_OPS(AVX2) kGather<Layout::CpuPanel8>,
                                 kTopK, kSample, kCopyPages};
constexpr KernelEntry kAvx512[] = {HEARTH_CPU_DENSE_OPS(AVX512_DENSE) HEARTH_CPU_ISA_OPS(AVX512)
                                       kGather<Layout::CpuPanel32>,
                                   kTopK, kSample, kCopyPages};
#undef AVX512_DENSE
#undef AVX2_DENSE
#undef PORTABLE_DENSE
#undef DENSE
#undef AVX512
#undef AVX2
#undef PORTABLE
#undef ENTRY

#define SCAN(isa)                                                                                   \
  {hearth_cpu_##isa##_scan_most, hearth_cpu_##isa##_scan_segments, hearth_cpu_##isa##_scan_collect, \
   hearth_cpu_##isa##_scan_mass}
constexpr RowScan kScans[] = {SCAN(portable), SCAN(avx2), SCAN(avx512)};
#undef SCAN

std::span<const KernelEntry> kernels_of(Isa isa) {
  switch (isa) {
    case Isa::Avx512:
      return kAvx512;
    case Isa::Avx2:
      return kAvx2;
    default:
      return kPortable;
  }
}

// The stream must exist before the base class that hands it to kernels.
struct StreamOwner {
  explicit StreamOwner(Isa isa, int threads) : pool(threads) {
    stream.pool = &pool;
    stream.scan = &kScans[static_cast<int>(isa)];
  }
  ThreadPool pool;
  CpuStream stream;
};

class CpuDevice final : private StreamOwner, public HostDevice {
 public:
  CpuDevice(Isa isa, int threads)
      : StreamOwner(isa, threads),
        HostDevice("cpu", kernels_of(isa), &stream),
        isa_(isa),
        layout_(isa == Isa::Avx512 ? Layout::CpuPanel32 : Layout::CpuPanel8) {}

  std::string_view isa() const override { return to_string(isa_); }
  int threads() const override { return pool.threads(); }
  // Layout and version, then the instruction set: raise the version when panel_format.h changes.
  std::string_view packing_id() const override {
    constexpr std::string_view kIds[] = {"panel8-1-portable", "panel8-1-avx2", "panel32-1-avx512"};
    return kIds[static_cast<int>(isa_)];
  }
  DType kv_dtype() const override { return isa_ == Isa::Portable ? DType::F32 : DType::F16; }
  PackedForm packed_form(DType dtype, int64_t n, int64_t k) const override {
    return cpu::packed_form(layout_, dtype, n, k);
  }
  Result<> pack(std::span<const TensorView> sources, void* destination) const override {
    return cpu::pack(layout_, sources, destination, pool.threads());
  }

 private:
  Isa isa_;
  Layout layout_;
};

}  // namespace

Result<std::unique_ptr<Device>> open_cpu_device(const DeviceOptions& options) {
  if (options.threads < 0 || options.threads > kMaxThreads)
    return fail(ErrorKind::Usage, "[cpu] threads; got {}, need 0 (one a core) to {}", options.threads, kMaxThreads);
  ASSIGN_OR_RETURN(const Isa isa, choose_isa(options.isa));
  const int threads = options.threads != 0 ? options.threads : std::min(usable_cores(), kMaxThreads);
  return std::make_unique<CpuDevice>(isa, threads);
}

}  // namespace hearth::ops
