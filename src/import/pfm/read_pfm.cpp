#include "import/pfm/read_pfm.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/file.h"
#include "import/onnx/context.h"
#include "import/onnx/external_data.h"
#include "import/onnx/foreign_file.h"
#include "import/onnx/read_model_message.h"
#include "import/pfm/format.h"
#include "tensor/checksum.h"

namespace hearth::import {

namespace pfm {
namespace {

using Bytes = std::span<const std::byte>;

template <class T>
T load(Bytes bytes, size_t at = 0) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorKind::Invalid, "[pfm] {}; got a damaged file, need it written again", what);
}

struct Sections {
  Bytes model, weights, weight_checksums;
};

// Where the table lies: held against the trailer, and the trailer against itself.
Result<Bytes> find_table(Bytes bytes) {
  if (!is_pfm(bytes)) {
    const std::string foreign = onnx::describe_foreign(bytes);
    return fail(ErrorKind::Invalid, "[pfm] file; got {}, need one that begins with {}",
                foreign.empty() ? "another format" : foreign, kMagic);
  }
  if (bytes.size() < kHeadBytes + sizeof(Trailer)) return damaged("size");
  if (const auto version = load<uint32_t>(bytes, kMagic.size()); version != kVersion)
    return fail(ErrorKind::Unsupported, "[pfm] version; got {}, need {}", version, kVersion);
  const size_t end = bytes.size() - sizeof(Trailer);
  const auto trailer = load<Trailer>(bytes, end);
  if (trailer.checksum != checksum(bytes.subspan(end, offsetof(Trailer, checksum))) ||
      trailer.file_bytes != bytes.size())
    return damaged("trailer");
  if (trailer.table_offset < kHeadBytes || trailer.table_offset > end ||
      trailer.table_bytes != end - trailer.table_offset || trailer.table_bytes % sizeof(Section) != 0 ||
      trailer.table_bytes / sizeof(Section) > kMaxSections)
    return damaged("place of the table");
  const Bytes table = bytes.subspan(trailer.table_offset, trailer.table_bytes);
  if (checksum(table) != trailer.table_checksum) return damaged("table");
  return table;
}

Result<Sections> find_sections(Bytes bytes) {
  ASSIGN_OR_RETURN(const Bytes table, find_table(bytes));
  const uint64_t end = bytes.size() - sizeof(Trailer) - table.size();
  Sections sections;
  uint64_t last_end = kHeadBytes;
  for (size_t at = 0; at < table.size(); at += sizeof(Section)) {
    const auto section = load<Section>(table, at);
    if (section.offset % kAlignment != 0 || section.offset < last_end || section.offset > end ||
        section.bytes > end - section.offset)
      return damaged("place of a section");
    last_end = section.offset + section.bytes;
    const Bytes content = bytes.subspan(section.offset, section.bytes);
    Bytes* const known = section.kind == kModel             ? &sections.model
                         : section.kind == kWeights         ? &sections.weights
                         : section.kind == kWeightChecksums ? &sections.weight_checksums
                                                            : nullptr;
    if (known == nullptr) {
      if ((section.kind & kMaySkip) != 0) continue;
      return fail(ErrorKind::Unsupported, "[pfm] section; got kind {}, need a newer version of this program",
                  section.kind);
    }
    if (known->data() != nullptr) return damaged("a section that stands twice");
    // That of the weights lies in a section of its own, tensor by tensor.
    if (section.kind != kWeights && checksum(content) != section.checksum) return damaged("checksum of a section");
    *known = content;
  }
  if (sections.model.empty()) return damaged("the model's section");
  return sections;
}

Result<> verify_weights(const Sections& sections) {
  if (sections.weight_checksums.size() % sizeof(WeightChecksum) != 0) return damaged("checksums of the weights");
  for (size_t at = 0; at < sections.weight_checksums.size(); at += sizeof(WeightChecksum)) {
    const auto entry = load<WeightChecksum>(sections.weight_checksums, at);
    if (entry.offset > sections.weights.size() || entry.bytes > sections.weights.size() - entry.offset)
      return damaged("place of a weight");
    if (checksum(sections.weights.subspan(entry.offset, entry.bytes)) != entry.checksum)
      return damaged(fmt::format("{} bytes of weights from byte {}", entry.bytes, entry.offset));
  }
  return {};
}

Result<graph::Model> read_model(onnx::ExternalData::File file, const OnnxLimits& limits) {
  ASSIGN_OR_RETURN(const Sections sections, find_sections(file.bytes));
  onnx::ExternalData weights(std::string(kWeightsLocation), {sections.weights, file.owner, file.mapped});
  auto model = onnx::read_model_message({sections.model, std::move(file.owner), file.mapped}, weights, limits,
                                        "the model's section");
  if (model) return model;
  Error error = std::move(model).error();
  if (error.message.starts_with(onnx::kWhere)) error.message.erase(0, onnx::kWhere.size());
  return within("pfm", std::move(error));
}

Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(auto map, MappedFile::open(path));
  return std::make_shared<const MappedFile>(std::move(map));  // shared: constants keep it
}

template <class T>
Result<T> naming(const std::filesystem::path& path, Result<T> result) {
  if (!result) result.error().message += fmt::format(" (in {})", path.string());
  return result;
}

}  // namespace
}  // namespace pfm

bool is_pfm(std::span<const std::byte> bytes) {
  const auto magic = std::as_bytes(std::span(pfm::kMagic));
  return bytes.size() >= magic.size() && std::ranges::equal(bytes.first(magic.size()), magic);
}

Result<graph::Model> read_pfm(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                              const OnnxLimits& limits) {
  return pfm::read_model({bytes, std::move(owner), false}, limits);
}

Result<graph::Model> read_pfm(const std::filesystem::path& path, const OnnxLimits& limits) {
  ASSIGN_OR_RETURN(const auto file, pfm::open(path));
  return pfm::naming(path, pfm::read_model({file->bytes(), file, true}, limits));
}

Result<> verify_pfm(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const auto file, pfm::open(path));
  const auto sections = pfm::find_sections(file->bytes());
  if (!sections) return pfm::naming(path, Result<>(std::unexpected(sections.error())));
  return pfm::naming(path, pfm::verify_weights(*sections));
}

}  // namespace hearth::import
