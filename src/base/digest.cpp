#include "base/digest.h"

#include <openssl/evp.h>

#include "base/file.h"

namespace hearth {

struct Digest::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Digest::Digest(const char* algorithm) : state_(std::make_unique<State>()) {
  CHECK(state_->context != nullptr);
  const EVP_MD* method = EVP_get_digestbyname(algorithm);
  CHECK(method != nullptr);
  CHECK(EVP_DigestInit_ex(state_->context, method, nullptr) == 1);
}
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

Digest Digest::sha256() {
  return Digest("SHA256");
}
Digest Digest::sha1() {
  return Digest("SHA1");
}

void Digest::update(std::span<const std::byte> bytes) {
  CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}
void Digest::update(std::string_view text) {
  update(std::as_bytes(std::span(text.data(), text.size())));
}

std::string Digest::hex() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned count = 0;
  CHECK(EVP_DigestFinal_ex(state_->context, bytes, &count) == 1);
  std::string text;
  for (unsigned i = 0; i < count; ++i) fmt::format_to(std::back_inserter(text), "{:02x}", bytes[i]);
  return text;
}

std::string sha256_hex(std::string_view text) {
  auto digest = Digest::sha256();
  digest.update(text);
  return digest.hex();
}

Result<std::string> sha256_of_file(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::open(path));
  auto digest = Digest::sha256();
  digest.update(file.bytes());
  return digest.hex();
}

}  // namespace hearth
