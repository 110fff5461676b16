// graph::Model → ModelProto. Internal to write_onnx and the .pfm writer.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "graph/graph.h"
#include "import/onnx/write_message.h"

namespace hearth::import::onnx {

// Takes the bytes of tensors that are to lie outside of the message.
class ExternalPlace {
 public:
  virtual ~ExternalPlace() = default;
  virtual std::string_view location() const = 0;  // as the tensors name it
  virtual bool takes_attributes() const = 0;      // or initializers alone
  virtual bool takes(uint64_t bytes) const = 0;   // whether a tensor of this size goes there
  // The offset at which they begin. `identity` is the same for the same tensor's data again, null for data of its own.
  virtual Result<uint64_t> place(std::span<const std::byte> bytes, const void* identity) = 0;
};

// `external` null: all data in the message. The message refers to the model's constants, which must outlive it.
Result<MessageWriter> write_model(const graph::Model& model, ExternalPlace* external);

// `external` null: in the message.
Result<MessageWriter> write_tensor(const Tensor& tensor, std::string_view name, ExternalPlace* external);
Result<MessageWriter> write_sparse_tensor(const graph::SparseTensor& sparse, std::string_view name,
                                          ExternalPlace* external);
MessageWriter write_type(const graph::Type& type);

}  // namespace hearth::import::onnx
