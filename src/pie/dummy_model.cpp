#include "pie/dummy_model.h"

#include <cerrno>
#include <cstring>

#include "llm/random/random_model.h"

namespace hearth::pie {
namespace fs = std::filesystem;

Result<fs::path> dummy_model(const fs::path& cache_root, uint64_t seed) {
  // The folder's name holds everything that decides the content; the number is that of the generator's version.
  const auto folder = cache_root / "dummy" / fmt::format("llama-1-{}", seed);
  std::error_code code;
  if (fs::exists(folder / "model.gguf", code)) return folder / "model.gguf";
  fs::create_directories(folder.parent_path(), code);
  if (code) return fail(ErrorKind::Io, "[model] create {}: {}", folder.parent_path().string(), code.message());
  std::string scratch = folder.string() + ".XXXXXX";
  if (::mkdtemp(scratch.data()) == nullptr)
    return fail(ErrorKind::Io, "[model] create {}: {}", scratch, std::strerror(errno));
  auto written = llm::write_random_model({.seed = seed}, scratch);
  if (written) {
    fs::rename(scratch, folder, code);
    // Another process may have been faster: its file is the same.
    if (!code || fs::exists(folder / "model.gguf", code)) return folder / "model.gguf";
  }
  std::error_code ignored;
  fs::remove_all(scratch, ignored);
  if (!written) return within("model", std::move(written).error());
  return fail(ErrorKind::Io, "[model] rename to {}: {}", folder.string(), code.message());
}

}  // namespace hearth::pie
