// Tensors and types.
#include "graph/type.h"
#include "import/onnx/narrow.h"
#include "import/onnx/write_model.h"

namespace hearth::import::onnx {

using graph::Dimension;
using graph::Type;
using graph::TypeKind;

namespace {

MessageWriter write_entry(std::string_view key, std::string_view value) {
  MessageWriter entry;
  entry.text(1, key);
  entry.text(2, value);
  return entry;
}

// The elements as a file has them. `packed` holds them when they are not as in memory.
struct FileBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<std::string> packed;  // shared: a message keeps it until it is written
};
FileBytes file_bytes(const Tensor& tensor) {
  if (bits_of(tensor.dtype()) >= 8) return {{tensor.data<std::byte>(), tensor.bytes()}, nullptr};
  auto packed = std::make_shared<std::string>(pack(tensor.data<uint8_t>(), tensor.dtype(), tensor.size()));
  return {std::as_bytes(std::span(*packed)), packed};
}

MessageWriter write_shape(const graph::Shape& shape) {
  MessageWriter message;
  for (const Dimension& dimension : shape) {
    MessageWriter written;
    if (dimension.known())
      written.integer(1, dimension.size);
    else if (!dimension.symbol.empty())
      written.text(2, dimension.symbol);
    message.message(1, std::move(written));
  }
  return message;
}

}  // namespace

Result<MessageWriter> write_tensor(const Tensor& tensor, std::string_view name, ExternalPlace* external) {
  if (!tensor) return fail(ErrorKind::Invalid, "[onnx] tensor \"{}\"; got none, need one to write", name);
  if (is_quantised(tensor.dtype()))
    return fail(ErrorKind::Unsupported, "[onnx] tensor \"{}\"; got blocks of {}, need a type of ONNX", name,
                to_string(tensor.dtype()));
  MessageWriter message;
  message.packed_integers(1, tensor.dims());
  message.integer(2, graph::onnx_number(tensor.dtype()));
  if (tensor.dtype() == DType::String) {
    for (const std::string& text : tensor.strings()) message.text(6, text);
    message.text_unless_empty(8, name);
    return message;
  }
  message.text_unless_empty(8, name);
  if (tensor.size() == 0) return message;
  const FileBytes data = file_bytes(tensor);
  if (external == nullptr || !external->takes(data.bytes.size())) {
    message.far_bytes(9, data.bytes, data.packed ? std::shared_ptr<const void>(data.packed) : tensor.owner());
    return message;
  }
  ASSIGN_OR_RETURN(const uint64_t offset, external->place(data.bytes, data.packed ? nullptr : tensor.raw()));
  message.message(13, write_entry("location", external->location()));
  message.message(13, write_entry("offset", fmt::format("{}", offset)));
  message.message(13, write_entry("length", fmt::format("{}", data.bytes.size())));
  message.integer(14, 1);
  return message;
}

Result<MessageWriter> write_sparse_tensor(const graph::SparseTensor& sparse, std::string_view name,
                                          ExternalPlace* external) {
  MessageWriter message;
  ASSIGN_OR_RETURN(auto values, write_tensor(sparse.values, name, external));
  ASSIGN_OR_RETURN(auto indices, write_tensor(sparse.indices, {}, external));
  message.message(1, std::move(values));
  message.message(2, std::move(indices));
  message.packed_integers(3, sparse.dims);
  return message;
}

MessageWriter write_type(const Type& type) {
  MessageWriter message, held;
  const auto add_inner = [&](uint32_t field) {
    if (type.inner != nullptr) held.message(field, write_type(*type.inner));
  };
  switch (type.kind) {
    case TypeKind::Unknown:
      break;
    case TypeKind::Tensor:
    case TypeKind::SparseTensor:
      if (type.dtype) held.integer(1, graph::onnx_number(*type.dtype));
      if (type.shape) held.message(2, write_shape(*type.shape));
      message.message(type.kind == TypeKind::Tensor ? 1 : 8, std::move(held));
      break;
    case TypeKind::Sequence:
    case TypeKind::Optional:
      add_inner(1);
      message.message(type.kind == TypeKind::Sequence ? 4 : 9, std::move(held));
      break;
    case TypeKind::Map:
      if (type.dtype) held.integer(1, graph::onnx_number(*type.dtype));
      add_inner(2);
      message.message(5, std::move(held));
      break;
  }
  return message;
}

}  // namespace hearth::import::onnx
