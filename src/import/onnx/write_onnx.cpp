#include "import/onnx/write_onnx.h"

#include <map>
#include <utility>

#include "base/file.h"
#include "graph/type.h"
#include "import/onnx/write_model.h"

namespace hearth::import {

namespace onnx {
namespace {

constexpr uint64_t kPageBytes = 4096;

// The file beside a model. The same bytes in memory are written once: tied weights stay tied.
class DataFile final : public ExternalPlace {
 public:
  DataFile(AtomicFile file, std::string name, uint64_t smallest)
      : file_(std::move(file)), name_(std::move(name)), smallest_(smallest) {}

  std::string_view location() const override { return name_; }
  bool takes_attributes() const override { return false; }  // not every reader looks for them there
  bool takes(uint64_t bytes) const override { return bytes >= smallest_; }
  Result<uint64_t> place(std::span<const std::byte> bytes, const void* identity) override {
    const std::pair key{identity, bytes.size()};
    if (const auto known = placed_.find(key); identity != nullptr && known != placed_.end()) return known->second;
    TRY(file_.pad_to(kPageBytes));
    const uint64_t offset = file_.size();
    TRY(file_.write(bytes));
    if (identity != nullptr) placed_.emplace(key, offset);
    return offset;
  }
  bool used() const { return file_.size() > 0; }
  Result<> commit() { return file_.commit(); }

 private:
  AtomicFile file_;
  std::string name_;
  uint64_t smallest_;
  std::map<std::pair<const void*, size_t>, uint64_t> placed_;
};

Result<> check_size(const MessageWriter& message) {
  if (message.size() > kMaxOnnxBytes)
    return fail(ErrorKind::Limit, "[onnx] model; got {} bytes in one file, need at most {}: use external data",
                message.size(), kMaxOnnxBytes);
  return {};
}

// The fields of SequenceProto and OptionalProto are the kind and, two further, the values.
enum ValueKind : int64_t { kTensor = 1, kSequence = 3, kMap = 4 };

Result<MessageWriter> write_sequence(const Sequence& sequence, std::string_view name);

Result<MessageWriter> write_map(const Map& map) {
  MessageWriter message, values;
  const auto* strings = std::get_if<std::vector<std::string>>(&map.keys);
  message.integer(2, graph::onnx_number(strings != nullptr ? DType::String : DType::I64));
  if (strings != nullptr)
    for (const std::string& key : *strings) message.text(4, key);
  else
    message.packed_integers(3, std::get<std::vector<int64_t>>(map.keys));
  values.integer(2, kTensor);
  const auto width = static_cast<size_t>(info(map.values.dtype()).block_bytes);
  for (int64_t i = 0; i < map.values.size(); ++i) {
    const std::byte* at = map.values.data<std::byte>() + static_cast<size_t>(i) * width;
    ASSIGN_OR_RETURN(auto value, write_tensor(Tensor::borrow(at, map.values.dtype(), {}, nullptr), {}, nullptr));
    values.message(3, std::move(value));
  }
  message.message(5, std::move(values));
  return message;
}

Result<> add_item(const Value& item, int64_t kind, MessageWriter& message) {
  const auto field = static_cast<uint32_t>(kind + 2);
  if (kind == kTensor && item.tensor() != nullptr) {
    ASSIGN_OR_RETURN(auto written, write_tensor(*item.tensor(), {}, nullptr));
    message.message(field, std::move(written));
  } else if (kind == kSequence && item.sequence() != nullptr) {
    ASSIGN_OR_RETURN(auto written, write_sequence(*item.sequence(), {}));
    message.message(field, std::move(written));
  } else if (kind == kMap && item.map() != nullptr) {
    ASSIGN_OR_RETURN(auto written, write_map(*item.map()));
    message.message(field, std::move(written));
  } else {
    return fail(ErrorKind::Unsupported, "[onnx] sequence; got values of several kinds or none, need one kind");
  }
  return {};
}

Result<MessageWriter> write_sequence(const Sequence& sequence, std::string_view name) {
  MessageWriter message;
  message.text_unless_empty(1, name);
  const Value* first = sequence.items.empty() ? nullptr : &sequence.items.front();
  const int64_t kind = first == nullptr || first->tensor() != nullptr ? kTensor
                       : first->sequence() != nullptr                 ? kSequence
                                                                      : kMap;
  message.integer(2, kind);
  for (const Value& item : sequence.items) TRY(add_item(item, kind, message));
  return message;
}

}  // namespace
}  // namespace onnx

Result<std::string> write_onnx(const graph::Model& model) {
  ASSIGN_OR_RETURN(const auto message, onnx::write_model(model, nullptr));
  TRY(onnx::check_size(message));
  return message.to_string();
}

Result<> write_onnx(const graph::Model& model, const std::filesystem::path& path, const OnnxWriteOptions& options) {
  std::optional<onnx::DataFile> data;
  if (options.external_bytes) {
    std::filesystem::path data_path = path;
    data_path += ".data";
    ASSIGN_OR_RETURN(auto file, AtomicFile::create(data_path));
    data.emplace(std::move(file), data_path.filename().string(), *options.external_bytes);
  }
  ASSIGN_OR_RETURN(const auto message, onnx::write_model(model, data ? &*data : nullptr));
  TRY(onnx::check_size(message));
  ASSIGN_OR_RETURN(auto file, AtomicFile::create(path));
  TRY(message.write_to([&](std::span<const std::byte> bytes) { return file.write(bytes); }));
  if (data && data->used()) TRY(data->commit());  // first: a model never names data that is not there
  return file.commit();
}

Result<std::string> write_onnx_value(const Value& value, std::string_view name) {
  if (const Tensor* tensor = value.tensor()) {
    ASSIGN_OR_RETURN(const auto message, onnx::write_tensor(*tensor, name, nullptr));
    return message.to_string();
  }
  if (const Sequence* sequence = value.sequence()) {
    ASSIGN_OR_RETURN(const auto message, onnx::write_sequence(*sequence, name));
    return message.to_string();
  }
  if (value.map() != nullptr)
    return fail(ErrorKind::Unsupported, "[onnx] value \"{}\"; got a map, need it within a sequence", name);
  onnx::MessageWriter nothing;  // OptionalProto
  nothing.text_unless_empty(1, name);
  return nothing.to_string();
}

}  // namespace hearth::import
