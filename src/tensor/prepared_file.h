// The prepared file: weights as a device wants them, page-aligned, mapped instead of read. A second start opens it,
// checks a few kilobytes at its end and touches no weight until a kernel does. Used by the language models; the format
// knows nothing of them.
//
// Format, version 1, little-endian:
//   0       8 bytes "HEARTHPF", u32 version, zeros up to byte 4096
//   data    the tensors' bytes, each from a multiple of 4096
//   table   u32 length and bytes of the key; u32 number of tensors; for each: u32 length and bytes of its name,
//           i32 dtype, i32 layout, u32 rank, i64 dims[rank], u64 offset, u64 bytes, u64 checksum of its bytes
//   trailer the last 40 bytes: u64 offset of the table, u64 bytes of the table, u64 checksum of the table, u64 bytes of
//   the
//           whole file, u64 checksum of these four
// The key says what the content was made from and for whom; another key means another file. Numbers of DType and Layout
// are part of the format: renumbering either is a new version.
//
// A file appears under its name only when it is complete. Whatever is wrong with one is an error of open(), never a
// crash: its maker then makes it again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"
#include "tensor/tensor.h"

namespace hearth {

struct PreparedTensor {
  TensorView view;  // dims as they were added; how the bytes lie is the layout's matter
  size_t bytes = 0;
  uint64_t checksum = 0;
};

class PreparedFile {
 public:
  // NotFound: there is none. Invalid: damaged, of another version, or made for another key.
  static Result<PreparedFile> open(const std::filesystem::path& path, std::string_view key);
  // The same whatever its key is.
  static Result<PreparedFile> open(const std::filesystem::path& path);

  const std::string& key() const { return key_; }
  // nullptr when absent. The bytes live as long as this object.
  const PreparedTensor* find(std::string_view name) const;
  size_t tensor_count() const { return tensors_.size(); }
  std::span<const std::byte> bytes() const { return map_.bytes(); }  // of the whole file

  // Reads everything and compares checksums: on demand, not on every start.
  Result<> verify() const;

 private:
  MappedFile map_;
  std::string key_;
  std::map<std::string, PreparedTensor, std::less<>> tensors_;
};

class PreparedFileWriter {
 public:
  static Result<PreparedFileWriter> create(const std::filesystem::path& path, std::string_view key);

  // A full disk is of kind Limit. After an error the object is only good for destruction, which leaves nothing behind.
  Result<> add(std::string_view name, DType dtype, Layout layout, std::span<const int64_t> dims,
               std::span<const std::byte> bytes);
  Result<> finish();

 private:
  PreparedFileWriter(AtomicFile file, std::string_view key) : file_(std::move(file)), key_(key) {}
  AtomicFile file_;
  std::string key_;
  std::string entries_;
  uint32_t count_ = 0;
};

}  // namespace hearth
