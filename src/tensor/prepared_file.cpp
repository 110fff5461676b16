#include "tensor/prepared_file.h"

#include <cstring>

#include "tensor/checksum.h"

namespace hearth {
namespace {

constexpr char kMagic[8] = {'H', 'E', 'A', 'R', 'T', 'H', 'P', 'F'};
constexpr uint32_t kVersion = 1;
constexpr uint64_t kAlignment = 4096;
constexpr size_t kTrailerBytes = 40;
constexpr uint32_t kMaxTensors = 1 << 20;
constexpr uint32_t kMaxTextBytes = 1 << 16;
constexpr int64_t kMaxDim = int64_t{1} << 40;

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<uint32_t>(text.size()));
  out.append(text);
}

std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorKind::Invalid, "[prepared] {}; the file is damaged, need a new one", what);
}

// Reads the table; every read is checked against its end.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}
  template <class T>
  bool read(T& value) {
    if (bytes_.size() < sizeof(T)) return false;
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_ = bytes_.subspan(sizeof(T));
    return true;
  }
  bool read_text(std::string_view& text) {
    uint32_t size = 0;
    if (!read(size) || size > kMaxTextBytes || size > bytes_.size()) return false;
    text = {reinterpret_cast<const char*>(bytes_.data()), size};
    bytes_ = bytes_.subspan(size);
    return true;
  }
  bool done() const { return bytes_.empty(); }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace

Result<PreparedFile> PreparedFile::open(const std::filesystem::path& path, std::string_view key) {
  ASSIGN_OR_RETURN(auto file, open(path));
  if (file.key_ != key) return fail(ErrorKind::Invalid, "[prepared] key; got \"{}\", need \"{}\"", file.key_, key);
  return file;
}

Result<PreparedFile> PreparedFile::open(const std::filesystem::path& path) {
  PreparedFile file;
  ASSIGN_OR_RETURN(file.map_, MappedFile::open(path));
  const std::span<const std::byte> bytes = file.map_.bytes();
  if (bytes.size() < kAlignment + kTrailerBytes || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0)
    return damaged("magic");
  uint32_t version = 0;
  std::memcpy(&version, bytes.data() + sizeof kMagic, sizeof version);
  if (version != kVersion) return fail(ErrorKind::Invalid, "[prepared] version; got {}, need {}", version, kVersion);

  uint64_t trailer[5];
  std::memcpy(trailer, bytes.data() + bytes.size() - kTrailerBytes, kTrailerBytes);
  const auto [table_offset, table_bytes, table_checksum, file_bytes, trailer_checksum] = trailer;
  if (checksum(bytes.subspan(bytes.size() - kTrailerBytes, 32)) != trailer_checksum || file_bytes != bytes.size())
    return damaged("trailer");
  if (table_offset < kAlignment || table_offset > bytes.size() - kTrailerBytes ||
      table_bytes != bytes.size() - kTrailerBytes - table_offset)
    return damaged("place of the table");
  const auto table = bytes.subspan(table_offset, table_bytes);
  if (checksum(table) != table_checksum) return damaged("table");

  Cursor cursor(table);
  std::string_view key;
  uint32_t count = 0;
  if (!cursor.read_text(key) || !cursor.read(count) || count > kMaxTensors) return damaged("head of the table");
  file.key_ = key;
  for (uint32_t i = 0; i < count; ++i) {
    std::string_view name;
    int32_t dtype = 0, layout = 0;
    uint32_t rank = 0;
    if (!cursor.read_text(name) || !cursor.read(dtype) || !cursor.read(layout) || !cursor.read(rank))
      return damaged("entry");
    if (dtype < 0 || dtype >= kDTypeCount || layout < 0 || rank > HEARTH_MAX_RANK) return damaged("entry");
    int64_t dims[HEARTH_MAX_RANK] = {};
    int64_t elements = 1;
    for (uint32_t d = 0; d < rank; ++d) {
      if (!cursor.read(dims[d]) || dims[d] < 0 || dims[d] > kMaxDim || (dims[d] > 0 && elements > kMaxDim / dims[d]))
        return damaged("dimensions");
      elements *= dims[d];
    }
    PreparedTensor tensor;
    uint64_t offset = 0, size = 0;
    if (!cursor.read(offset) || !cursor.read(size) || !cursor.read(tensor.checksum)) return damaged("entry");
    if (offset % kAlignment != 0 || offset < kAlignment || offset > table_offset || size > table_offset - offset)
      return damaged("place of a tensor");
    if (static_cast<Layout>(layout) == Layout::Plain &&
        static_cast<uint64_t>(bytes_of(static_cast<DType>(dtype), elements)) != size)
      return damaged("size of a tensor");
    tensor.view = hearth::view(bytes.data() + offset, static_cast<DType>(dtype), std::span(dims, rank));
    tensor.view.layout = layout;
    tensor.bytes = size;
    if (!file.tensors_.emplace(name, tensor).second) return damaged("a name that stands twice");
  }
  if (!cursor.done()) return damaged("end of the table");
  return file;
}

const PreparedTensor* PreparedFile::find(std::string_view name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

Result<> PreparedFile::verify() const {
  for (const auto& [name, tensor] : tensors_)
    if (checksum(std::span(data_of<const std::byte>(tensor.view), tensor.bytes)) != tensor.checksum)
      return fail(ErrorKind::Invalid, "[prepared] checksum of {}; the file is damaged, need a new one", name);
  return {};
}

Result<PreparedFileWriter> PreparedFileWriter::create(const std::filesystem::path& path, std::string_view key) {
  CHECK(key.size() <= kMaxTextBytes);
  ASSIGN_OR_RETURN(auto file, AtomicFile::create(path));
  std::string head(kMagic, sizeof kMagic);
  put(head, kVersion);
  TRY(file.write(head));
  TRY(file.pad_to(kAlignment));
  return PreparedFileWriter(std::move(file), key);
}

Result<> PreparedFileWriter::add(std::string_view name, DType dtype, Layout layout, std::span<const int64_t> dims,
                                 std::span<const std::byte> bytes) {
  CHECK(name.size() <= kMaxTextBytes && dims.size() <= HEARTH_MAX_RANK && count_ < kMaxTensors);
  TRY(file_.pad_to(kAlignment));
  put_text(entries_, name);
  put(entries_, static_cast<int32_t>(dtype));
  put(entries_, static_cast<int32_t>(layout));
  put(entries_, static_cast<uint32_t>(dims.size()));
  for (const int64_t dim : dims) put(entries_, dim);
  put(entries_, file_.size());
  put(entries_, static_cast<uint64_t>(bytes.size()));
  put(entries_, checksum(bytes));
  ++count_;
  return file_.write(bytes);
}

Result<> PreparedFileWriter::finish() {
  std::string tail;
  put_text(tail, key_);
  put(tail, count_);
  tail += entries_;
  const uint64_t table_offset = file_.size();
  const uint64_t table_bytes = tail.size();
  std::string trailer;
  put(trailer, table_offset);
  put(trailer, table_bytes);
  put(trailer, checksum(tail));
  put(trailer, table_offset + table_bytes + kTrailerBytes);
  put(trailer, checksum(trailer));
  TRY(file_.write(tail + trailer));
  return file_.commit();
}

}  // namespace hearth
