#include "flame/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/file.h"

namespace hearth::flame {

namespace {

struct Descr {
  std::string_view text;
  DType dtype;
};
constexpr Descr kDescrs[] = {
    {"<f4", DType::F32}, {"<f8", DType::F64},  {"<f2", DType::F16}, {"|i1", DType::I8},    {"<i2", DType::I16},
    {"<i4", DType::I32}, {"<i8", DType::I64},  {"|u1", DType::U8},  {"<u2", DType::U16},   {"<u4", DType::U32},
    {"<u8", DType::U64}, {"|b1", DType::Bool}, {"<c8", DType::C64}, {"<c16", DType::C128},
};
constexpr size_t kMaxHeader = 1 << 16;

// The text between the quotes (or parentheses) that follow `'key':` in the header's dictionary.
std::string_view entry(std::string_view header, std::string_view key, char open, char close) {
  const size_t at = header.find(key);
  if (at == std::string_view::npos) return {};
  const size_t begin = header.find(open, at + key.size());
  if (begin == std::string_view::npos) return {};
  const size_t end = header.find(close, begin + 1);
  return end == std::string_view::npos ? std::string_view() : header.substr(begin + 1, end - begin - 1);
}

Result<Dims> parse_shape(std::string_view text) {
  Dims dims;
  for (const char* at = text.data(); at < text.data() + text.size();) {
    if (*at == ' ' || *at == ',') {
      ++at;
      continue;
    }
    int64_t size = 0;
    const auto [end, code] = std::from_chars(at, text.data() + text.size(), size);
    if (code != std::errc() || size < 0) return fail(ErrorKind::Invalid, "[npy] shape; got ({})", text);
    if (!Dims::fits(dims.size() + 1)) return fail(ErrorKind::Limit, "[npy] rank; need at most {}", HEARTH_MAX_RANK);
    dims.push_back(size);
    at = end;
  }
  return dims;
}

// Fortran order to C order: element by element.
Result<Tensor> transposed(const Tensor& columns) {
  ASSIGN_OR_RETURN(Tensor rows, Tensor::allocate(columns.dtype(), columns.dims()));
  const int rank = columns.rank();
  const size_t width = static_cast<size_t>(info(columns.dtype()).block_bytes);
  std::vector<int64_t> index(static_cast<size_t>(rank)), stride(static_cast<size_t>(rank));
  int64_t step = 1;
  for (int axis = 0; axis < rank; ++axis)
    stride[static_cast<size_t>(axis)] = std::exchange(step, step * columns.dim(axis));
  for (int64_t i = 0; i < columns.size(); ++i) {
    int64_t from = 0;
    for (size_t axis = 0; axis < index.size(); ++axis) from += index[axis] * stride[axis];
    std::memcpy(static_cast<char*>(rows.mutable_raw()) + static_cast<size_t>(i) * width,
                columns.data<char>() + static_cast<size_t>(from) * width, width);
    for (size_t axis = index.size(); axis-- > 0;) {
      if (++index[axis] < columns.dim(static_cast<int>(axis))) break;
      index[axis] = 0;
    }
  }
  return rows;
}

}  // namespace

Result<Tensor> read_npy(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  const auto bytes = file.bytes();
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  if (bytes.size() < 10 || std::memcmp(data, "\x93NUMPY", 6) != 0)
    return fail(ErrorKind::Invalid, "[npy] {} is no .npy file", path.string());
  const size_t prefix = data[6] == 1 ? 10 : 12;
  if (bytes.size() < prefix) return fail(ErrorKind::Invalid, "[npy] {} ends within its header", path.string());
  size_t length = static_cast<size_t>(data[8]) | static_cast<size_t>(data[9]) << 8;
  if (prefix == 12) length |= static_cast<size_t>(data[10]) << 16 | static_cast<size_t>(data[11]) << 24;
  if (length > kMaxHeader || prefix + length > bytes.size())
    return fail(ErrorKind::Invalid, "[npy] header; got {} bytes, need at most {}", length,
                std::min(kMaxHeader, bytes.size() - prefix));
  const std::string_view header(reinterpret_cast<const char*>(data) + prefix, length);
  const std::string_view descr = entry(header, "'descr':", '\'', '\'');
  const auto* known = std::ranges::find(kDescrs, descr, &Descr::text);
  if (known == std::end(kDescrs))
    return fail(ErrorKind::Unsupported, "[npy] {} holds elements of type '{}'", path.string(), descr);
  ASSIGN_OR_RETURN(const Dims dims, parse_shape(entry(header, "'shape':", '(', ')')));
  ASSIGN_OR_RETURN(const int64_t count, count_elements(dims));
  const auto wanted = static_cast<size_t>(count * info(known->dtype).block_bytes);
  if (bytes.size() - prefix - length < wanted)
    return fail(ErrorKind::Invalid, "[npy] {} data; got {} bytes, need {} for {}", path.string(),
                bytes.size() - prefix - length, wanted, to_string(dims));
  ASSIGN_OR_RETURN(Tensor tensor, Tensor::allocate(known->dtype, dims));
  if (wanted > 0) std::memcpy(tensor.mutable_raw(), data + prefix + length, wanted);
  const size_t order = header.find("'fortran_order':");
  if (order != std::string_view::npos && header.substr(order + 16).starts_with(" True")) return transposed(tensor);
  return tensor;
}

Result<> write_npy(const std::filesystem::path& path, const Tensor& tensor) {
  const auto* known = std::ranges::find(kDescrs, tensor.dtype(), &Descr::dtype);
  if (known == std::end(kDescrs))
    return fail(ErrorKind::Unsupported, "[npy] NumPy has no {}", to_string(tensor.dtype()));
  std::string shape;
  for (const int64_t size : tensor.dims()) shape += fmt::format("{}, ", size);
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", known->text, shape);
  header.append((64 - (10 + header.size() + 1) % 64) % 64, ' ');
  header += '\n';
  std::string prefix("\x93NUMPY\x01\x00", 8);
  prefix += static_cast<char>(header.size() & 0xff);
  prefix += static_cast<char>(header.size() >> 8);
  ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path));
  TRY(file.write(prefix + header));
  TRY(file.write(std::span(static_cast<const std::byte*>(tensor.raw()), tensor.bytes())));
  return file.commit();
}

}  // namespace hearth::flame
