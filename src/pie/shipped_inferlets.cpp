#include "pie/shipped_inferlets.h"

#include <algorithm>

#include "base/environment.h"
#include "base/nearest_word.h"

namespace hearth::pie {
namespace fs = std::filesystem;

fs::path inferlet_folder() {
  if (const auto share = environment("PIE_SHARE")) return fs::path(*share) / "inferlets";
  std::error_code code;
  const auto self = fs::read_symlink("/proc/self/exe", code);
  return self.parent_path().parent_path() / "share" / "hearth" / "inferlets";
}

std::vector<std::string> shipped_inferlets() {
  std::vector<std::string> names;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(inferlet_folder(), code))
    if (entry.path().extension() == ".wasm") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

Result<fs::path> find_inferlet(std::string_view word) {
  const bool standard = word.starts_with("std/");
  if (!standard && (word.ends_with(".wasm") || word.find('/') != std::string_view::npos)) {
    const fs::path path(word);
    std::error_code code;
    if (!fs::is_regular_file(path, code))
      return fail(ErrorKind::NotFound, "[run] {} is no file{}", path.string(),
                  word.find('/') != std::string_view::npos && !word.ends_with(".wasm")
                      ? "; only std/ inferlets have names, others are paths of .wasm files"
                      : "");
    return path;
  }
  std::string_view name = standard ? word.substr(4) : word;
  const size_t at = name.find('@');
  const std::string version(at == std::string_view::npos ? "" : name.substr(at + 1));
  name = name.substr(0, at);
  // What ships with the build has the build's version and no other.
  if (!version.empty() && version != "latest" && version != HEARTH_VERSION)
    return fail(ErrorKind::NotFound, "[run] std/{}@{}; the inferlets of this build have version {}", name, version,
                HEARTH_VERSION);
  const auto names = shipped_inferlets();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    std::string hint = suggestion(name, names);
    if (hint.empty())
      hint = names.empty() ? fmt::format("; there are none in {}", inferlet_folder().string())
                           : fmt::format("; there are {}", fmt::join(names, ", "));
    return fail(ErrorKind::NotFound, "[run] there is no inferlet std/{}{}", name, hint);
  }
  return inferlet_folder() / (std::string(name) + ".wasm");
}

}  // namespace hearth::pie
