#include "import/onnx/read_tensor.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/quote_bytes.h"
#include "graph/type.h"
#include "import/onnx/context.h"
#include "import/onnx/narrow.h"
#include "import/onnx/wire.h"

namespace hearth::import::onnx {

namespace {

enum Field : uint32_t {
  kDims = 1,
  kDataType = 2,
  kSegment = 3,
  kFloatData = 4,
  kInt32Data = 5,
  kStringData = 6,
  kInt64Data = 7,
  kName = 8,
  kRawData = 9,
  kDoubleData = 10,
  kUint64Data = 11,
  kExternalData = 13,
  kDataLocation = 14,
  kNoField = 0,
};

struct Head {
  std::string_view name;
  Dims dims;
  DType dtype = DType::F32;
  int64_t elements = 0;
  std::string_view raw;
  bool external = false;
  std::string_view location;
  std::optional<uint64_t> offset, length;
  // What the typed fields hold: bytes, or strings. An upper bound of their elements before any is decoded.
  uint64_t typed[16] = {};
};

size_t alignment_of(DType dtype) {
  const auto bytes = static_cast<size_t>(info(dtype).block_bytes);
  return info(dtype).kind == DTypeClass::Complex ? bytes / 2 : bytes;
}

// The typed field that holds elements of this type.
Field typed_field(DType dtype) {
  switch (dtype) {
    case DType::F32:
    case DType::C64:
      return kFloatData;
    case DType::F64:
    case DType::C128:
      return kDoubleData;
    case DType::I64:
      return kInt64Data;
    case DType::U32:
    case DType::U64:
      return kUint64Data;
    case DType::String:
      return kStringData;
    default:
      return kInt32Data;
  }
}

Result<uint64_t> parse_size(std::string_view key, std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return fail(ErrorKind::Invalid, "[onnx] {} of external data; got {}, need a number of bytes", key,
                quote_bytes(text));
  return value;
}

Result<> read_external_entry(std::string_view bytes, Head& head) {
  std::string_view key, value;
  Message entry(bytes, "StringStringEntryProto");
  while (entry.next()) {
    if (entry.field() == 1) key = entry.bytes();
    if (entry.field() == 2) value = entry.bytes();
  }
  TRY(entry.end());
  if (key == "location") head.location = value;
  if (key == "offset") {
    ASSIGN_OR_RETURN(head.offset, parse_size(key, value));
  }
  if (key == "length") {
    ASSIGN_OR_RETURN(head.length, parse_size(key, value));
  }
  return {};  // "checksum" is over the whole file: to compare it would read every page of every model
}

Result<> read_head(std::string_view bytes, Head& head) {
  int64_t dims[HEARTH_MAX_RANK] = {};
  size_t rank = 0;
  int64_t type = 0;
  bool segment = false;
  Message message(bytes, "TensorProto");
  while (message.next()) {
    switch (message.field()) {
      case kDims:
        message.varints([&](uint64_t size) {
          if (rank < HEARTH_MAX_RANK) dims[rank] = static_cast<int64_t>(size);
          ++rank;
        });
        break;
      case kDataType:
        type = message.integer32();
        break;
      case kSegment:
        segment = true;
        break;
      case kName:
        head.name = message.bytes();
        break;
      case kRawData:
        head.raw = message.bytes();
        break;
      case kFloatData:
      case kDoubleData:
        head.typed[message.field()] += message.fixed(message.field() == kFloatData ? 4 : 8).size();
        break;
      case kInt32Data:
      case kInt64Data:
      case kUint64Data:
        head.typed[message.field()] += message.wire() == Wire::Varint ? 1 : message.bytes().size();
        break;
      case kStringData:
        ++head.typed[kStringData];
        break;
      case kExternalData:
        TRY(read_external_entry(message.bytes(), head));
        break;
      case kDataLocation:
        head.external = message.integer() == 1;
        break;
      default:
        break;
    }
  }
  TRY(message.end());
  if (segment)
    return fail(ErrorKind::Unsupported, "[onnx] data in segments; got one of several, need the whole tensor");
  if (!Dims::fits(rank))
    return fail(ErrorKind::Unsupported, "[onnx] rank; got {}, need at most {}", rank, HEARTH_MAX_RANK);
  const auto dtype = graph::dtype_from_onnx(type);
  if (!dtype) return fail(ErrorKind::Unsupported, "[onnx] data_type; got {}, need a type of ONNX 1.22", type);
  head.dtype = *dtype;
  head.dims = Dims(std::span<const int64_t>(dims, rank));
  auto elements = count_elements(head.dims);
  if (!elements)
    return fail(elements.error().kind, "[onnx] dims; got {}, need sizes of 0 or more whose product is at most {}",
                to_string(head.dims), kMaxTensorElements);
  head.elements = *elements;
  return {};
}

uint64_t needed_bytes(const Head& head) {
  return packed_bytes(head.dtype, head.elements);
}

// Below this a copy costs less than what puts it off.
constexpr size_t kDeferredBytes = 16 << 10;

// `bytes` is exactly as long as the elements need; `mapped`: a file's.
Result<Tensor> take_raw(std::string_view bytes, const Head& head, bool borrow, const std::shared_ptr<const void>& owner,
                        bool mapped, ExternalData* charged) {
  const auto aligned = reinterpret_cast<uintptr_t>(bytes.data()) % alignment_of(head.dtype) == 0;
  const bool whole_bytes = bits_of(head.dtype) >= 8;
  // Any byte but 0 and 1 in a bool is undefined to a compiler.
  const bool valid = head.dtype != DType::Bool || std::ranges::all_of(bytes, [](char c) { return c == 0 || c == 1; });
  if (borrow && aligned && whole_bytes && valid && head.elements > 0)
    return Tensor::borrow(bytes.data(), head.dtype, head.dims, owner, mapped);
  if (charged != nullptr) TRY(charged->charge_copy(static_cast<size_t>(bytes_of(head.dtype, head.elements))));
  if (borrow && head.dtype == DType::F32 && bytes.size() >= kDeferredBytes) {
    StridedFloats there;
    there.from = reinterpret_cast<const std::byte*>(bytes.data());
    there.owner = owner;
    there.source = {there.from, bytes.size()};
    there.mapped = mapped;
    there.axes = {{.size = head.elements, .stride = 1}};
    return Tensor::defer(std::move(there), head.dims);
  }
  ASSIGN_OR_RETURN(Tensor tensor, Tensor::allocate(head.dtype, head.dims));
  if (!whole_bytes)
    unpack(bytes, head.dtype, head.elements, tensor.mutable_data<uint8_t>());
  else if (head.dtype == DType::Bool)
    std::ranges::transform(bytes, tensor.mutable_data<bool>(), [](char c) { return c != 0; });
  else if (!bytes.empty())
    std::memcpy(tensor.mutable_raw(), bytes.data(), bytes.size());
  return tensor;
}

Result<Tensor> read_external(const Head& head, const TensorSource& source) {
  if (head.dtype == DType::String) return fail(ErrorKind::Invalid, "[onnx] external data; got strings, need numbers");
  if (source.external == nullptr)
    return fail(ErrorKind::Invalid, "[onnx] external data; got a single value, need its data within it");
  const uint64_t needed = needed_bytes(head), offset = head.offset.value_or(0);
  if (head.length.value_or(needed) != needed)
    return fail(ErrorKind::Invalid, "[onnx] length of external data; got {}, need {} for {} of {}", *head.length,
                needed, to_string(head.dims), to_string(head.dtype));
  ASSIGN_OR_RETURN(const auto file, source.external->open(head.location));
  if (offset > file.bytes.size() || needed > file.bytes.size() - offset)
    return fail(ErrorKind::Invalid, "[onnx] external data {}; got a file of {} bytes, need {} from byte {}",
                quote_bytes(head.location), file.bytes.size(), needed, offset);
  const auto* data = reinterpret_cast<const char*>(file.bytes.data());
  return take_raw({data + (data == nullptr ? 0 : offset), static_cast<size_t>(needed)}, head, true, file.owner,
                  file.mapped, source.external);
}

std::unexpected<Error> wrong_count(const Head& head, uint64_t got, uint64_t needed) {
  return fail(ErrorKind::Invalid, "[onnx] data; got {} numbers, need {} for {} of {}", got, needed,
              to_string(head.dims), to_string(head.dtype));
}

Result<Tensor> read_strings(std::string_view bytes, const Head& head, const TensorSource& source) {
  if (head.typed[kStringData] != static_cast<uint64_t>(head.elements))
    return fail(ErrorKind::Invalid, "[onnx] string_data; got {} strings, need {} for {}", head.typed[kStringData],
                head.elements, to_string(head.dims));
  ASSIGN_OR_RETURN(Tensor tensor, Tensor::allocate(DType::String, head.dims));
  auto* out = tensor.mutable_data<std::string>();
  Message message(bytes, "TensorProto");
  while (message.next()) {
    if (message.field() != kStringData) continue;
    const std::string_view text = message.bytes();
    if (text.size() > source.max_string_bytes)
      return fail(ErrorKind::Limit, "[onnx] max_string_bytes; got {}, need at most {}", text.size(),
                  source.max_string_bytes);
    *out++ = text;
  }
  TRY(message.end());
  return tensor;
}

// Fixed-width fields: their chunks, one behind the other, are the elements' bytes.
Result<Tensor> read_fixed(std::string_view bytes, const Head& head, Field field) {
  const size_t width = field == kFloatData ? 4 : 8;
  const auto needed = static_cast<uint64_t>(bytes_of(head.dtype, head.elements));
  if (head.typed[field] != needed) return wrong_count(head, head.typed[field] / width, needed / width);
  ASSIGN_OR_RETURN(Tensor tensor, Tensor::allocate(head.dtype, head.dims));
  auto* out = tensor.mutable_data<char>();
  Message message(bytes, "TensorProto");
  while (message.next())
    if (message.field() == field) out = std::ranges::copy(message.fixed(width), out).out;
  TRY(message.end());
  return tensor;
}

// Calls each(number, index) for exactly `count` numbers of the field; other counts are errors.
template <class Each>
Result<> for_numbers(std::string_view bytes, const Head& head, Field field, uint64_t count, Each&& each) {
  uint64_t got = 0;
  Message message(bytes, "TensorProto");
  while (message.next())
    if (message.field() == field)
      message.varints([&](uint64_t number) {
        if (got < count) each(number, got);
        ++got;
      });
  TRY(message.end());
  if (got != count) return wrong_count(head, got, count);
  return {};
}

template <class T>
Result<> read_wide(std::string_view bytes, const Head& head, Field field, Tensor& tensor) {
  T* out = tensor.mutable_data<T>();
  return for_numbers(bytes, head, field, static_cast<uint64_t>(head.elements),
                     [out](uint64_t number, uint64_t i) { out[i] = static_cast<T>(number); });
}

// One number an element, its low bits. A number that no element of this width can have is an error.
template <class T>
Result<> read_narrow(std::string_view bytes, const Head& head, Tensor& tensor) {
  T* out = tensor.mutable_data<T>();
  constexpr int64_t kLowest = -(int64_t{1} << (sizeof(T) * 8 - 1)), kHighest = (int64_t{1} << sizeof(T) * 8) - 1;
  std::optional<int64_t> outside;
  TRY(for_numbers(bytes, head, kInt32Data, static_cast<uint64_t>(head.elements), [&](uint64_t number, uint64_t i) {
    const auto value = static_cast<int32_t>(static_cast<uint32_t>(number));
    if (value < kLowest || value > kHighest) outside = value;
    out[i] = static_cast<T>(value);
  }));
  if (outside)
    return fail(ErrorKind::Invalid, "[onnx] int32_data; got {}, need what fits into {}", *outside,
                to_string(head.dtype));
  return {};
}

Result<> read_packed(std::string_view bytes, const Head& head, Tensor& tensor) {
  std::string packed(needed_bytes(head), '\0');
  TRY(for_numbers(bytes, head, kInt32Data, packed.size(),
                  [&](uint64_t number, uint64_t i) { packed[i] = static_cast<char>(number); }));
  unpack(packed, head.dtype, head.elements, tensor.mutable_data<uint8_t>());
  return {};
}

Result<Tensor> read_typed(std::string_view bytes, const Head& head, const TensorSource& source) {
  const Field field = typed_field(head.dtype);
  if (field == kStringData) return read_strings(bytes, head, source);
  if (field == kFloatData || field == kDoubleData) return read_fixed(bytes, head, field);
  const uint64_t numbers = bits_of(head.dtype) < 8 ? needed_bytes(head) : static_cast<uint64_t>(head.elements);
  if (head.typed[field] < numbers) return wrong_count(head, head.typed[field], numbers);  // before any memory is taken
  ASSIGN_OR_RETURN(Tensor tensor, Tensor::allocate(head.dtype, head.dims));
  switch (head.dtype) {
    case DType::I64:
    case DType::U64:
      TRY(read_wide<uint64_t>(bytes, head, field, tensor));
      break;
    case DType::I32:
    case DType::U32:
      TRY(read_wide<uint32_t>(bytes, head, field, tensor));
      break;
    case DType::Bool: {
      auto* out = tensor.mutable_data<bool>();
      TRY(for_numbers(bytes, head, field, numbers, [out](uint64_t number, uint64_t i) { out[i] = number != 0; }));
      break;
    }
    default:
      if (bits_of(head.dtype) < 8)
        TRY(read_packed(bytes, head, tensor));
      else if (bits_of(head.dtype) == 8)
        TRY(read_narrow<uint8_t>(bytes, head, tensor));
      else
        TRY(read_narrow<uint16_t>(bytes, head, tensor));
  }
  return tensor;
}

Result<Tensor> read_data(std::string_view bytes, const Head& head, const TensorSource& source) {
  if (head.external) return read_external(head, source);
  const bool typed = std::ranges::any_of(head.typed, [](uint64_t count) { return count > 0; });
  if (head.raw.empty() && (typed || head.elements == 0 || head.dtype == DType::String))
    return read_typed(bytes, head, source);
  if (typed) return fail(ErrorKind::Invalid, "[onnx] data; got raw_data and a typed field, need one of them");
  if (head.dtype == DType::String)
    return fail(ErrorKind::Invalid, "[onnx] data; got strings in raw_data, need them in string_data");
  if (head.raw.size() != needed_bytes(head))
    return fail(ErrorKind::Invalid, "[onnx] raw_data; got {} bytes, need {} for {} of {}", head.raw.size(),
                needed_bytes(head), to_string(head.dims), to_string(head.dtype));
  return take_raw(head.raw, head, source.borrow, source.owner, source.mapped, nullptr);
}

Result<> check_indices(const graph::SparseTensor& sparse) {
  ASSIGN_OR_RETURN(const int64_t elements, count_elements(sparse.dims));
  const Tensor &values = sparse.values, &indices = sparse.indices;
  const int64_t count = values.size(), rank = sparse.dims.rank();
  const bool tuples = indices.rank() == 2;
  if (values.rank() != 1 || indices.dtype() != DType::I64 || indices.rank() < 1 || indices.rank() > 2 ||
      indices.dim(0) != count || (tuples && indices.dim(1) != rank))
    return fail(ErrorKind::Invalid,
                "[onnx] sparse tensor; got values {} and indices {} of {}, need [N] and int64 [N] or [N, {}]",
                to_string(values.dims()), to_string(indices.dims()), to_string(indices.dtype()), rank);
  int64_t last = -1;
  for (int64_t i = 0; i < count; ++i) {
    int64_t linear = 0;
    bool within = true;
    if (tuples) {
      for (int64_t d = 0; d < rank; ++d) {
        const int64_t index = indices.data<int64_t>()[i * rank + d], size = sparse.dims[static_cast<size_t>(d)];
        within = within && index >= 0 && index < size;
        linear = within ? linear * size + index : 0;
      }
    } else {
      linear = indices.data<int64_t>()[i];
    }
    if (!within || linear < 0 || linear >= elements || linear <= last)
      return fail(ErrorKind::Invalid, "[onnx] index {} of a sparse tensor; got {}, need ascending ones within {}", i,
                  within ? fmt::format("{}", linear) : std::string("one outside"), to_string(sparse.dims));
    last = linear;
  }
  return {};
}

std::string tensor_label(std::string_view name) {
  return name.empty() ? "tensor" : fmt::format("tensor {}", quote_bytes(name));
}

}  // namespace

Result<NamedTensor> read_tensor(std::string_view bytes, const TensorSource& source) {
  Head head;
  if (auto read = read_head(bytes, head); !read) return inside(tensor_label(head.name), std::move(read).error());
  auto tensor = read_data(bytes, head, source);
  if (!tensor) return inside(tensor_label(head.name), std::move(tensor).error());
  return NamedTensor{head.name, std::move(*tensor)};
}

Result<NamedSparseTensor> read_sparse_tensor(std::string_view bytes, const TensorSource& source) {
  NamedSparseTensor sparse;
  int64_t dims[HEARTH_MAX_RANK] = {};
  size_t rank = 0;
  Message message(bytes, "SparseTensorProto");
  while (message.next()) {
    if (message.field() == 1) {
      ASSIGN_OR_RETURN(auto values, read_tensor(message.bytes(), source));
      sparse.name = values.name;
      sparse.tensor.values = std::move(values.tensor);
    } else if (message.field() == 2) {
      ASSIGN_OR_RETURN(auto indices, read_tensor(message.bytes(), source));
      sparse.tensor.indices = std::move(indices.tensor);
    } else if (message.field() == 3) {
      message.varints([&](uint64_t size) {
        if (rank < HEARTH_MAX_RANK) dims[rank] = static_cast<int64_t>(size);
        ++rank;
      });
    }
  }
  TRY(message.end());
  const std::string label = "sparse " + tensor_label(sparse.name);
  if (!Dims::fits(rank))
    return inside(label,
                  {ErrorKind::Unsupported, fmt::format("[onnx] rank; got {}, need at most {}", rank, HEARTH_MAX_RANK)});
  if (!sparse.tensor.values || !sparse.tensor.indices)
    return inside(label, {ErrorKind::Invalid, "[onnx] data; got no values or no indices, need both"});
  sparse.tensor.dims = Dims(std::span<const int64_t>(dims, rank));
  if (auto checked = check_indices(sparse.tensor); !checked) return inside(label, std::move(checked).error());
  return sparse;
}

}  // namespace hearth::import::onnx
