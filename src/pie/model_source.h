// Where a model comes from, as people write it: hf:ORG/REPO[@REVISION] (also plain ORG/REPO), pypi:NAME[==VERSION],
// file:PATH, dummy.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hearth::pie {

struct ModelSource {
  enum class Kind { Hub, Wheel, File, Dummy };
  Kind kind = Kind::Dummy;
  std::string name;      // ORG/REPO, the package, the path
  std::string revision;  // branch, tag, commit or version; empty: the newest

  std::string text() const;         // parse_source(text()) is the same source
  std::string folder_name() const;  // one path segment, different for different sources
};

Result<ModelSource> parse_source(std::string_view text);

}  // namespace hearth::pie
