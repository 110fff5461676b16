#include "import/pfm/write_pfm.h"

#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "base/file.h"
#include "import/onnx/write_model.h"
#include "import/pfm/format.h"
#include "tensor/checksum.h"

namespace hearth::import {

namespace pfm {
namespace {

using Bytes = std::span<const std::byte>;
using Sink = std::function<Result<>(Bytes)>;

template <class T>
Bytes as_bytes(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

class PfmWriter final : public onnx::ExternalPlace {
 public:
  explicit PfmWriter(Sink sink) : sink_(std::move(sink)) {}

  // Weights go out while the model's message is made, which then says where they are.
  Result<> write(const graph::Model& model) {
    TRY(put(std::as_bytes(std::span(kMagic))));
    TRY(put(as_bytes(kVersion)));
    TRY(pad());
    ASSIGN_OR_RETURN(const auto message, onnx::write_model(model, this));
    if (!checksums_.empty()) {
      add_section(kWeights, kHeadBytes, 0);  // kWeightChecksums has theirs
      TRY(section(kWeightChecksums, std::as_bytes(std::span(checksums_))));
    }
    // Weights of a gigabyte are not in it: a copy for the checksum is cheap.
    const std::string text = message.to_string();
    TRY(section(kModel, std::as_bytes(std::span(text))));
    return finish();
  }

  std::string_view location() const override { return kWeightsLocation; }
  bool takes_attributes() const override { return true; }
  bool takes(uint64_t bytes) const override { return bytes >= kAlignment; }
  Result<uint64_t> place(Bytes bytes, const void* identity) override {
    const std::pair key{identity, bytes.size()};
    if (const auto known = placed_.find(key); identity != nullptr && known != placed_.end()) return known->second;
    TRY(pad());
    const uint64_t offset = size_ - kHeadBytes;
    checksums_.push_back({offset, bytes.size(), checksum(bytes)});
    if (identity != nullptr) placed_.emplace(key, offset);
    TRY(put(bytes));
    return offset;
  }

 private:
  Result<> put(Bytes bytes) {
    size_ += bytes.size();
    return sink_(bytes);
  }
  Result<> pad() {
    static constexpr std::byte kZeros[kAlignment] = {};
    return put(std::span(kZeros, (kAlignment - size_ % kAlignment) % kAlignment));
  }
  void add_section(SectionKind kind, uint64_t offset, uint64_t sum) {
    sections_.push_back({kind, 0, offset, size_ - offset, sum});
  }
  Result<> section(SectionKind kind, Bytes bytes) {
    TRY(pad());
    const uint64_t offset = size_;
    TRY(put(bytes));
    add_section(kind, offset, checksum(bytes));
    return {};
  }
  Result<> finish() {
    TRY(pad());
    const Bytes table = std::as_bytes(std::span(sections_));
    Trailer trailer{size_, table.size(), checksum(table), size_ + table.size() + sizeof(Trailer), 0};
    trailer.checksum = checksum(as_bytes(trailer).first(offsetof(Trailer, checksum)));
    TRY(put(table));
    return put(as_bytes(trailer));
  }

  Sink sink_;
  uint64_t size_ = 0;
  std::vector<Section> sections_;
  std::vector<WeightChecksum> checksums_;
  std::map<std::pair<const void*, size_t>, uint64_t> placed_;  // the same bytes in memory are written once
};

}  // namespace
}  // namespace pfm

Result<> write_pfm(const graph::Model& model, const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(auto file, AtomicFile::create(path));
  pfm::PfmWriter writer([&](pfm::Bytes bytes) { return file.write(bytes); });
  TRY(writer.write(model));
  return file.commit();
}

Result<std::string> write_pfm(const graph::Model& model) {
  std::string written;
  pfm::PfmWriter writer([&](pfm::Bytes bytes) -> Result<> {
    written.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  });
  TRY(writer.write(model));
  return written;
}

}  // namespace hearth::import
