#include "import/onnx/external_data.h"

#include <algorithm>

#include "base/quote_bytes.h"

namespace hearth::import::onnx {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxLocationBytes = 4096;
constexpr size_t kMaxCopyFactor = 8;  // packed 2-bit numbers grow by four; twice that for weights that are shared

}  // namespace

Result<ExternalData::File> ExternalData::open(std::string_view location) {
  if (const auto known = by_location_.find(location); known != by_location_.end()) return known->second;
  const std::string shown = quote_bytes(location);
  if (folder_.empty())
    return fail(ErrorKind::Invalid, "[onnx] external data {}; got a model without a folder, need a model file", shown);
  if (location.empty() || location.size() > kMaxLocationBytes || location.find('\0') != std::string_view::npos)
    return fail(ErrorKind::Invalid, "[onnx] location of external data; got {}, need a relative path", shown);
  const fs::path relative{location};
  if (relative.is_absolute() || std::ranges::find(relative, fs::path("..")) != relative.end())
    return fail(ErrorKind::Invalid, "[onnx] location of external data; got {}, need a path below the model's folder",
                shown);
  std::error_code error;
  if (root_.empty()) {
    root_ = fs::canonical(folder_, error);
    if (error) return fail(ErrorKind::Io, "[onnx] folder of external data {}: {}", folder_.string(), error.message());
  }
  const fs::path path = fs::canonical(root_ / relative, error);
  if (error)
    return fail(ErrorKind::NotFound, "[onnx] external data {}; got no such file in {}: {}", shown, root_.string(),
                error.message());
  // canonical() has followed every link: what is left must begin with the folder.
  if (std::mismatch(root_.begin(), root_.end(), path.begin(), path.end()).first != root_.end())
    return fail(ErrorKind::Invalid, "[onnx] external data {}; got a link to {}, need a file below the model's folder",
                shown, path.string());
  if (!fs::is_regular_file(path, error))  // asked before opening: opening a pipe would wait for its writer
    return fail(ErrorKind::Invalid, "[onnx] external data {}; got no regular file", shown);
  auto known = by_path_.find(path);
  if (known == by_path_.end()) {
    ASSIGN_OR_RETURN(auto map, MappedFile::open(path, MappedFile::Reading::Once));
    const auto mapped = std::make_shared<const MappedFile>(std::move(map));
    mapped_bytes_ += mapped->bytes().size();
    known = by_path_.emplace(path, File{mapped->bytes(), mapped, true}).first;
  }
  by_location_.emplace(location, known->second);
  return known->second;
}

Result<> ExternalData::charge_copy(size_t bytes) {
  copied_bytes_ += bytes;  // cannot wrap: a tensor has at most 2^44 bytes, and the first one too many ends the reading
  if (copied_bytes_ / kMaxCopyFactor > mapped_bytes_)
    return fail(ErrorKind::Limit,
                "[onnx] copies of external data; got {} bytes, need at most {} times the {} bytes of its files",
                copied_bytes_, kMaxCopyFactor, mapped_bytes_);
  return {};
}

std::vector<std::shared_ptr<const void>> ExternalData::owners() const {
  std::vector<std::shared_ptr<const void>> owners;
  owners.reserve(by_path_.size());
  for (const auto& [path, file] : by_path_) owners.push_back(file.owner);
  return owners;
}

std::vector<std::string> ExternalData::paths() const {
  std::vector<std::string> paths;
  paths.reserve(by_path_.size());
  for (const auto& [path, file] : by_path_) paths.push_back(path.string());
  return paths;
}

}  // namespace hearth::import::onnx
