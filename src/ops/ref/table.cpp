#include <new>
#include <stdexcept>

#include "ops/backend.h"
#include "ops/ref/kernels.h"

namespace {

int guarded(int (*kernel)(const HearthOpCall&), const HearthOpCall* call) noexcept {
  try {
    return kernel(*call);
  } catch (const std::bad_alloc&) {
    return HEARTH_NO_MEMORY;
  } catch (const std::length_error&) {  // a vector of more than the address space
    return HEARTH_NO_MEMORY;
  }
}

}  // namespace

#define HEARTH_OP(Name, name, ...)                         \
  int hearth_ref_##name(void*, const HearthOpCall* call) { \
    return guarded(hearth::ops::ref::name, call);          \
  }
#include "ops/ops.inc"
#undef HEARTH_OP

namespace hearth::ops {
namespace {

const char* refuses_packed(const HearthOpCall& call) {
  for (const HearthTensor& t : call.inputs)
    if (t.layout != static_cast<int32_t>(Layout::Plain)) return "a packed weight";
  return nullptr;
}

constexpr KernelEntry kRefKernels[] = {
#define HEARTH_OP(Name, name, ...) {Op::Name, "ref." #name, refuses_packed, hearth_ref_##name},
#include "ops/ops.inc"
#undef HEARTH_OP
};

}  // namespace

std::span<const KernelEntry> ref_kernels() {
  return kRefKernels;
}

}  // namespace hearth::ops
