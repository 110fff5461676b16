#include "pyflame_rt/device.h"

#include <fmt/format.h>

#include <algorithm>

#include "pyflame_rt/core/session.hpp"

namespace pyflame_rt {

namespace {

// Why a device is not served; "" when it is. Unknown names are told apart from absent targets.
std::string missing(const std::string& device) {
  if (device == "cpu") return "";
  if (device == "wse" || device == "wse2" || device == "wse3")
    return fmt::format("device '{}' needs the Cerebras target, which this build does not have", device);
  if (device.starts_with("cuda"))
    return fmt::format("device '{}' needs the CUDA backend, which this build does not have", device);
  return fmt::format("no device is called '{}'; there are cpu, cuda:N, wse, wse2, wse3", device);
}

}  // namespace

void check_device(const SessionOptions& options) {
  const std::string reason = missing(options.device);
  if (reason.empty()) return;
  for (const std::string& other : options.fallback)
    if (missing(other).empty()) return;
  throw Error(
      ErrorCode::Unsupported,
      fmt::format(
          "[device] {}; what may serve instead goes into `fallback`, or behind it in the list of providers: the CPU",
          reason));
}

std::vector<std::string> available_devices() {
  return {"cpu"};
}

std::string version() {
  return HEARTH_VERSION;
}

}  // namespace pyflame_rt
