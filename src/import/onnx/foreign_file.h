// What a file that is not an ONNX model looks like, for the person who gave it to us.
#pragma once

#include <filesystem>
#include <span>
#include <string>

namespace hearth::import::onnx {

// "an HTML page: a download that went wrong", "a git-lfs pointer: …"; "" when nothing is recognised.
std::string describe_foreign(std::span<const std::byte> bytes);
// The same for a folder, by what lies in it.
std::string describe_folder(const std::filesystem::path& folder);

}  // namespace hearth::import::onnx
