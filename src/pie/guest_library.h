// What guests are compiled with and against: clang, and the guest library as object files kept in the cache.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "pie/build.h"

namespace hearth::pie {

constexpr size_t kMaxSourceBytes = size_t{16} << 20;  // of one file of the guest library or manifest

// A folder that is removed with everything in it.
class ScratchFolder {
 public:
  static Result<ScratchFolder> create(const std::filesystem::path& parent);
  ScratchFolder(ScratchFolder&& other) noexcept;
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit ScratchFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// Every regular file in the folder and below, sorted.
Result<std::vector<std::filesystem::path>> files_below(const std::filesystem::path& folder);

// The compiler alone; find_guest_toolchain() looks for all its parts too, which takes longer.
Result<GuestToolchain> find_clang();

// Every command starts like this; sources, -c and -o follow.
std::vector<std::string> compiler(const GuestToolchain& tools, bool cpp);

// Runs the compiler; its words are the error, or are added to the warnings.
Result<> compile(const std::vector<std::string>& argv, std::string& warnings, std::stop_token stop);
// Runs all, as many at once as there are processors; the first error in their order counts.
Result<> compile_all(const std::vector<std::vector<std::string>>& commands, std::string& warnings,
                     std::stop_token stop);

struct GuestLibrary {
  std::vector<std::filesystem::path> objects;
  std::filesystem::path libc;  // the object that takes the adapter's place
  bool fresh = false;          // it was compiled just now
};

// Compiled once per content, flags and compiler.
Result<GuestLibrary> compile_sdk(const std::filesystem::path& sdk, const GuestToolchain& tools,
                                 const std::filesystem::path& cache, std::stop_token stop);

}  // namespace hearth::pie
