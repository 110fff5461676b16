#include "pie/model_source.h"

#include <algorithm>
#include <filesystem>

#include "base/digest.h"

namespace hearth::pie {
namespace {

bool is_name(std::string_view text, std::string_view also = "._-") {
  if (text.empty() || text.size() > 128 || text.front() == '.' || text.front() == '-') return false;
  if (text.find("..") != std::string_view::npos || text.find("--") != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           also.find(c) != std::string_view::npos;
  });
}

std::unexpected<Error> wrong(std::string_view text, std::string_view need) {
  std::string shown(text.substr(0, 100));
  std::error_code code;
  std::string hint;
  if (std::filesystem::exists(std::filesystem::path(shown), code)) hint = fmt::format("; did you mean file:{}?", shown);
  return fail(ErrorKind::Usage, "[model] source; got \"{}\", need {}{}", shown, need, hint);
}

Result<ModelSource> parse_hub(std::string_view whole, std::string_view text) {
  static constexpr std::string_view kNeed = "hf:ORG/REPO[@REVISION], pypi:NAME, file:PATH or dummy";
  ModelSource source{.kind = ModelSource::Kind::Hub};
  const size_t at = text.find('@');
  source.name = text.substr(0, at);
  if (at != std::string_view::npos) {
    source.revision = text.substr(at + 1);
    if (!is_name(source.revision, "._-/")) return wrong(whole, "a branch, tag or commit after @");
  }
  const size_t slash = source.name.find('/');
  if (slash == std::string::npos) return wrong(whole, kNeed);
  const std::string_view name = source.name;
  if (!is_name(name.substr(0, slash)) || !is_name(name.substr(slash + 1))) return wrong(whole, kNeed);
  return source;
}

}  // namespace

std::string ModelSource::text() const {
  switch (kind) {
    case Kind::Hub:
      return "hf:" + name + (revision.empty() ? "" : "@" + revision);
    case Kind::Wheel:
      return "pypi:" + name + (revision.empty() ? "" : "==" + revision);
    case Kind::File:
      return "file:" + name;
    case Kind::Dummy:
      return "dummy";
  }
  return {};
}

std::string ModelSource::folder_name() const {
  if (kind == Kind::File)
    return "file--" + std::filesystem::path(name).stem().string().substr(0, 64) + "--" + sha256_hex(name).substr(0, 12);
  std::string result;
  for (const char c : text()) result += c == '/' || c == ':' ? std::string("--") : std::string(1, c);
  return result;
}

Result<ModelSource> parse_source(std::string_view text) {
  if (text == "dummy") return ModelSource{.kind = ModelSource::Kind::Dummy};
  if (text.starts_with("hf:")) return parse_hub(text, text.substr(3));
  if (text.starts_with("file:")) {
    const auto path = text.substr(5);
    if (path.empty()) return wrong(text, "a path after file:");
    return ModelSource{.kind = ModelSource::Kind::File,
                       .name = std::filesystem::absolute(path).lexically_normal().string()};
  }
  if (text.starts_with("pypi:")) {
    ModelSource source{.kind = ModelSource::Kind::Wheel};
    const auto rest = text.substr(5);
    const size_t equals = rest.find("==");
    for (const char c : rest.substr(0, equals))
      source.name += c == '_' || c == '.' ? '-' : static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    if (equals != std::string_view::npos) source.revision = rest.substr(equals + 2);
    if (!is_name(source.name)) return wrong(text, "a package name after pypi:");
    if (equals != std::string_view::npos && !is_name(source.revision, "._-+!"))
      return wrong(text, "a version after ==");
    return source;
  }
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos) return wrong(text, "hf:ORG/REPO[@REVISION], pypi:NAME, file:PATH or dummy");
  return parse_hub(text, text);
}

}  // namespace hearth::pie
