// Files: read whole, map, replace atomically. All paths are UTF-8 as the system has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hearth {

// A read-only map of a whole file. Move-only; the bytes live as long as the object. An empty file maps to an empty
// span.
class MappedFile {
 public:
  // Once: most of it is read once and then let go by release_pages. The kernel is asked for small pages, or one touch
  // may bring 2 MB into this process.
  enum class Reading { Often, Once };

  static Result<MappedFile> open(const std::filesystem::path& path, Reading reading = Reading::Often);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Brings mapped bytes into memory and into this process's page tables, in order, so that the first touch of each page
// finds it. Returns when all is there, or soon after a stop is asked for. What cannot be had is left to the first
// touch.
void prefault(std::span<const std::byte> bytes, const std::stop_token& stop);
// Takes the pages that lie wholly within these bytes of a MappedFile out of this process's memory. They may be read at
// any time, also meanwhile: the file's pages come back. Never for other memory, whose contents would be lost.
void release_pages(std::span<const std::byte> bytes);

// Reads a whole file of at most `limit` bytes.
Result<std::string> read_file(const std::filesystem::path& path, size_t limit = size_t{1} << 30);

// A file that appears under its name only when commit() succeeded; dropped before, nothing is left behind.
// Created with its final mode. Parent folders are created.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::filesystem::path& path, unsigned mode = 0644);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  Result<> write(std::span<const std::byte> bytes);
  Result<> write(std::string_view text);
  Result<> pad_to(uint64_t alignment);  // zeros up to the next multiple
  uint64_t size() const { return size_; }
  Result<> commit();  // flush to disk, rename

 private:
  AtomicFile() = default;
  int fd_ = -1;
  uint64_t size_ = 0;
  std::filesystem::path path_, temporary_;
};

Result<> write_file(const std::filesystem::path& path, std::string_view text, unsigned mode = 0644);

}  // namespace hearth
