// Precompiled code of one component: CODE_CACHE/<sha256 of the component>-<engine key>.cwasm, mode 0600 in a folder of
// mode 0700, with its sha256 beside it. Wasmtime trusts what it maps, so a file that is not ours alone or whose digest
// differs is not used.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hearth::inferlet {

class CodeCache {
 public:
  CodeCache(const std::filesystem::path& folder, const std::string& key);
  bool enabled() const { return !folder_.empty(); }
  std::optional<std::filesystem::path> find() const;  // nothing when absent, damaged or not to be trusted
  Result<> store(std::string_view code) const;

 private:
  std::filesystem::path folder_, code_, digest_;
};

}  // namespace hearth::inferlet
