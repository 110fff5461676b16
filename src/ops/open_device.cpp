#include <filesystem>

#include "ops/cpu/cpu_device.h"
#include "ops/device.h"
#include "ops/ref/ref_device.h"

namespace hearth::ops {

Result<std::unique_ptr<Device>> open_device(std::string_view name, const DeviceOptions& options) {
  if (name == "cpu") return open_cpu_device(options);
  if (name == "ref") return open_ref_device();
  if (name.starts_with("cuda"))
    return fail(ErrorKind::Unsupported, "[device] {}: {} and this build has no CUDA kernels; use \"cpu\"", name,
                std::filesystem::exists("/dev/nvidiactl") ? "a GPU is here, but"
                                                          : "no NVIDIA GPU is visible (no /dev/nvidiactl)");
  return fail(ErrorKind::Unsupported, "[device] got \"{}\", need cpu or ref", name);
}

}  // namespace hearth::ops
