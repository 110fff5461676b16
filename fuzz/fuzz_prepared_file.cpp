// The checksums of table and trailer are made right first, so that the fuzzer gets behind them.
#include <cstring>
#include <vector>

#include "scratch_folder.h"
#include "tensor/checksum.h"
#include "tensor/prepared_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kTrailerBytes = 40;
  std::vector<std::byte> bytes(size);
  if (size > 0) std::memcpy(bytes.data(), data, size);
  if (size >= kTrailerBytes) {
    uint64_t trailer[5];
    std::byte* const at = bytes.data() + size - kTrailerBytes;
    std::memcpy(trailer, at, sizeof trailer);
    if (trailer[0] <= size - kTrailerBytes) {
      trailer[1] = size - kTrailerBytes - trailer[0];
      trailer[2] = hearth::checksum(std::span<const std::byte>(bytes).subspan(trailer[0], trailer[1]));
      trailer[3] = size;
      std::memcpy(at, trailer, sizeof trailer);
      trailer[4] = hearth::checksum(std::span<const std::byte>(bytes).subspan(size - kTrailerBytes, 32));
      std::memcpy(at, trailer, sizeof trailer);
    }
  }
  const auto path = hearth::fuzz::put("weights.prepared", reinterpret_cast<const uint8_t*>(bytes.data()), size);
  if (const auto file = hearth::PreparedFile::open(path, "key")) (void)file->verify();
  return 0;
}
