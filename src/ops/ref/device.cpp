#include <cstring>

#include "ops/backend.h"
#include "ops/ref/ref_device.h"

namespace hearth::ops {
namespace {

class RefDevice final : public HostDevice {
 public:
  RefDevice() : HostDevice("ref", {}, nullptr) {}
  std::string_view isa() const override { return "scalar"; }
  int threads() const override { return 1; }
  std::string_view packing_id() const override { return "ref-plain-1"; }
  DType kv_dtype() const override { return DType::F32; }

  PackedForm packed_form(DType dtype, int64_t n, int64_t k) const override {
    return {Layout::Plain, dtype, static_cast<size_t>(n * bytes_of(dtype, k))};
  }
  Result<> pack(std::span<const TensorView> sources, void* destination) const override {
    char* out = static_cast<char*>(destination);
    for (const TensorView& source : sources) {
      if (!is_contiguous(source)) return fail(ErrorKind::Invalid, "[ref] pack: a weight whose rows are strided");
      const size_t bytes = static_cast<size_t>(source.dims[0] * bytes_of(dtype_of(source), source.dims[1]));
      std::memcpy(out, source.data, bytes);
      out += bytes;
    }
    return {};
  }
};

}  // namespace

std::unique_ptr<Device> open_ref_device() {
  return std::make_unique<RefDevice>();
}

}  // namespace hearth::ops
