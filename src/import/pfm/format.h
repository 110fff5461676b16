// The layout of .pfm files, version 1; docs/pfm.md describes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hearth::import::pfm {

inline constexpr std::string_view kMagic = "HEARTHFM";
inline constexpr uint32_t kVersion = 1;
inline constexpr uint64_t kAlignment = 64;
inline constexpr uint64_t kHeadBytes = 64;  // magic, u32 version, zeros
inline constexpr std::string_view kWeightsLocation = "weights";

enum SectionKind : uint32_t { kModel = 1, kWeights = 2, kWeightChecksums = 3 };
inline constexpr uint32_t kMaySkip = 0x80000000u;  // kinds with this bit may be passed over by who does not know them
inline constexpr uint64_t kMaxSections = 1024;

struct Section {
  uint32_t kind;
  uint32_t reserved;  // 0
  uint64_t offset, bytes, checksum;
};
static_assert(sizeof(Section) == 32);

// The last bytes of a file.
struct Trailer {
  uint64_t table_offset, table_bytes, table_checksum, file_bytes, checksum;  // the last of the four before it
};
static_assert(sizeof(Trailer) == 40);

// The section kWeightChecksums: one for each tensor, ascending.
struct WeightChecksum {
  uint64_t offset, bytes, checksum;  // offset within the weights
};
static_assert(sizeof(WeightChecksum) == 24);

}  // namespace hearth::import::pfm
