// TensorProto → Tensor, SparseTensorProto → SparseTensor.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "graph/graph.h"
#include "import/onnx/external_data.h"
#include "tensor/value.h"

namespace hearth::import::onnx {

// What tensors may do with the bytes they are read from.
struct TensorSource {
  bool borrow = false;                // constants may point into the message's bytes, which `owner` keeps alive
  std::shared_ptr<const void> owner;  // null: the caller promises to
  bool mapped = false;                // they are those of a MappedFile
  ExternalData* external = nullptr;   // null: a tensor that names external data is an error
  size_t max_string_bytes = 0;        // of one element of a string tensor
};

// Borrows raw little-endian bytes: float32 at any address (Tensor::defer), other types where they are aligned; decodes
// everything else. `name` is the proto's and
// points into `bytes`.
struct NamedTensor {
  std::string_view name;
  Tensor tensor;
};
Result<NamedTensor> read_tensor(std::string_view bytes, const TensorSource& source);

// Indices are checked: within the dimensions, ascending.
struct NamedSparseTensor {
  std::string_view name;  // of the values
  graph::SparseTensor tensor;
};
Result<NamedSparseTensor> read_sparse_tensor(std::string_view bytes, const TensorSource& source);

}  // namespace hearth::import::onnx
