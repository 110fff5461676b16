#include "llm/prepared_weights.h"

#include "tensor/prepared_file.h"

namespace hearth::llm {
namespace fs = std::filesystem;

std::string prepared_key(std::string_view fingerprint, std::string_view packing_id, int plan) {
  return fmt::format("{}|{}|{}", fingerprint, packing_id, plan);
}

Result<uint64_t> remove_prepared(const fs::path& prepared_dir, std::string_view fingerprint) {
  const std::string begin = fmt::format("{}|", fingerprint);
  uint64_t freed = 0;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(prepared_dir, code)) {
    if (entry.path().extension() != ".prepared") continue;
    const auto file = PreparedFile::open(entry.path());
    if (!file || !file->key().starts_with(begin)) continue;  // a damaged one says not whose it is
    const uint64_t bytes = file->bytes().size();
    std::error_code failed;
    fs::remove(entry.path(), failed);
    if (failed) return fail(ErrorKind::Io, "[prepared] remove {}: {}", entry.path().string(), failed.message());
    freed += bytes;
  }
  return freed;
}

}  // namespace hearth::llm
