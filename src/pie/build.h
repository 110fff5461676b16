// `pie build`: from C++ sources to a guest component, by clang, the guest library (sdk/cpp) and wit-component.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth::pie {

struct BuildRequest {
  std::filesystem::path source;  // a .cpp file, or a folder of them with an optional Pie.toml (or Inferlet.toml)
  std::filesystem::path output;  // empty: NAME.wasm in the current folder
  std::filesystem::path cache;   // of the compiled guest library; the folder that PIE_CACHE_HOME stands for
  std::filesystem::path sdk;     // empty: find_sdk()
  bool colour = false;           // in the compiler's messages
};

struct BuildReport {
  std::string name, version;  // of the package; the version is empty without a manifest
  std::filesystem::path output;
  uint64_t bytes = 0;  // of the component
  double seconds = 0;
  bool compiled_sdk = false;  // the guest library had to be compiled: once per version of it and of clang
  std::string warnings;       // of the compiler, as it wrote them
};

// Writes the component whole or not at all. Errors of the compiler come as it wrote them. NotFound with the command
// that installs it when a tool is missing.
Result<BuildReport> build_inferlet(const BuildRequest& request, std::stop_token stop = {});

// The folder of the guest library: $PIE_SDK, else ../share/hearth/sdk beside the folder of the running program, else
// the source tree that this program was built from.
Result<std::filesystem::path> find_sdk();

// The package name that a file or folder name gives: lower case, words joined by '-'. Invalid with the rule when it has
// none.
Result<std::string> package_name(std::string_view text);

// What guests are compiled with: the compiler and its parts for WebAssembly. NotFound with the command that installs
// them.
struct GuestToolchain {
  std::filesystem::path clang_cpp, clang_c;
  std::string version;  // first line of its --version
};
Result<GuestToolchain> find_guest_toolchain();

}  // namespace hearth::pie
