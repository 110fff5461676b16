#include "import/onnx/foreign_file.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string_view>

#include "base/quote_bytes.h"

namespace hearth::import::onnx {

namespace {

struct Magic {
  size_t at;
  std::string_view bytes;
  std::string_view what;
};
using namespace std::string_view_literals;
constexpr Magic kMagics[] = {
    {0, "version https://git-lfs"sv, "a git-lfs pointer: the model itself is not there, run `git lfs pull`"},
    {0, "GGUF"sv, "a GGUF file, a language model's weights"},
    {0, "HEARTHPF"sv, "a prepared-weights file of a language model"},
    {0, "HEARTHFM"sv, "a .pfm model"},
    {0, "\x89HDF\r\n"sv, "an HDF5 file, as Keras writes it"},
    {0, "\x93NUMPY"sv, "a NumPy array"},
    {4, "TFL3"sv, "a TensorFlow Lite model"},
    {4, "ORTM"sv, "an ONNX Runtime .ort file: convert the .onnx file it was made from"},
    {0, "\x1f\x8b"sv, "a gzip archive: unpack it first"},
    {0, "\x28\xb5\x2f\xfd"sv, "a zstd archive: unpack it first"},
    {0, "BZh"sv, "a bzip2 archive: unpack it first"},
    {0,
     "\xfd"
     "7zXZ"sv,
     "an xz archive: unpack it first"},
    {0, "7z\xbc\xaf\x27\x1c"sv, "a 7z archive: unpack it first"},
    {257, "ustar"sv, "a tar archive: unpack it first"},
    {0,
     "\x7f"
     "ELF"sv,
     "a program or a shared library"},
    {0, "%PDF"sv, "a PDF"},
};
constexpr size_t kHeadBytes = 1 << 16;

bool starts_with_word(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && std::ranges::equal(text.substr(0, word.size()), word, [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == b;
         });
}

bool is_safetensors(std::string_view text) {
  uint64_t header = 0;
  if (text.size() < 10) return false;
  std::memcpy(&header, text.data(), sizeof header);
  return header >= 2 && header < (uint64_t{1} << 32) && text.substr(8, 2) == "{\"";
}

std::string describe_zip(std::string_view head) {
  if (head.find("constants.pkl") != std::string_view::npos || head.find("/code/") != std::string_view::npos)
    return "a TorchScript file";
  if (head.find("data.pkl") != std::string_view::npos) return "a PyTorch checkpoint (zip)";
  return "a zip archive: unpack it first";
}

std::string describe_text(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  const std::string_view body = begin == std::string_view::npos ? std::string_view() : text.substr(begin);
  for (const std::string_view word : {"<!doctype html", "<html", "<head", "<body", "<!--"})
    if (starts_with_word(body, word)) return "an HTML page: a download that went wrong";
  if (starts_with_word(body, "<?xml")) return "an XML file";
  if (starts_with_word(body, "<") && body.substr(0, 200).find("ir_version") != std::string_view::npos)
    return "a model in ONNX's text form";
  if (body.starts_with("{") || body.starts_with("[")) return "a JSON file";
  return "a text file that begins with " + quote_bytes(body, 40);
}

}  // namespace

std::string describe_foreign(std::span<const std::byte> bytes) {
  if (bytes.empty()) return "an empty file";
  const std::string_view head{reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kHeadBytes)};
  for (const Magic& magic : kMagics)
    if (head.size() >= magic.at && head.substr(magic.at).starts_with(magic.bytes)) return std::string(magic.what);
  if (head.starts_with("PK\x03\x04")) return describe_zip(head);
  if (head.size() > 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5)
    return "a Python pickle, such as an old PyTorch checkpoint";
  if (is_safetensors(head)) return "a safetensors file, weights without a graph";
  if (std::ranges::all_of(head, [](char c) { return c == 0; }))
    return "a file of zeros: a download that was not finished";
  const bool printable = std::ranges::all_of(
      head, [](char c) { return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\r' || c == '\t'; });
  return printable ? describe_text(head) : std::string();
}

std::string describe_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::exists(folder / "saved_model.pb", error)) return "a TensorFlow SavedModel";
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().extension() == ".onnx" && (found.empty() || entry.path().filename().string() < found))
      found = entry.path().filename().string();
  return found.empty() ? "a folder" : "a folder; did you mean " + quote_bytes((folder / found).string(), 400) + "?";
}

}  // namespace hearth::import::onnx
