// Message digests of byte streams, as lower-case hex. Over OpenSSL.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hearth {

class Digest {
 public:
  static Digest sha256();
  static Digest sha1();  // for git object names only
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  std::string hex();  // once, last

 private:
  struct State;
  explicit Digest(const char* algorithm);
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view text);
Result<std::string> sha256_of_file(const std::filesystem::path& path);

}  // namespace hearth
