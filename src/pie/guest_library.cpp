#include "pie/guest_library.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <thread>
#include <utility>

#include "base/digest.h"
#include "base/environment.h"
#include "base/file.h"
#include "base/process.h"

namespace hearth::pie {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kInstall =
    "sudo apt-get install clang-19 lld-19 wasi-libc libc++-19-dev-wasm32 libc++abi-19-dev-wasm32 "
    "libclang-rt-19-dev-wasm32";

// -Os: guests wait for the engine most of their time, and a small one compiles and loads faster.
constexpr const char* kTarget[] = {"--target=wasm32-wasi", "-Os", "-fno-exceptions"};
constexpr const char* kCpp[] = {"-std=c++23", "-fno-rtti", "-fno-threadsafe-statics"};

// One process at a time; waits for the others.
class FileLock {
 public:
  static Result<FileLock> take(const fs::path& path) {
    std::error_code code;
    fs::create_directories(path.parent_path(), code);
    const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    if (fd < 0 || ::flock(fd, LOCK_EX) != 0) {
      if (fd >= 0) ::close(fd);
      return fail(ErrorKind::Io, "[build] cannot lock {}: {}", path.string(), std::strerror(errno));
    }
    return FileLock(fd);
  }
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

Result<std::string> output_of(std::vector<std::string> argv) {
  Command command;
  command.argv = std::move(argv);
  ASSIGN_OR_RETURN(const auto exit, run_command(command));
  if (exit.code != 0)
    return fail(ErrorKind::Io, "[build] {} ended with {}:\n{}", command.argv[0], exit.code, exit.errors);
  return exit.output;
}

// Half a dozen calls of clang, so only when the guest library must be compiled.
Result<> check_parts(const GuestToolchain& out) {
  // Where it finds nothing, clang prints the bare name.
  for (const char* part : {"libc.a", "libc++.a", "libc++abi.a", "crt1-reactor.o"}) {
    ASSIGN_OR_RETURN(const auto path,
                     output_of({out.clang_cpp, "--target=wasm32-wasi", std::string("-print-file-name=") + part}));
    if (path.find('/') == std::string::npos)
      return fail(ErrorKind::NotFound, "[build] clang 19 has no {} for WebAssembly; install it: {}", part, kInstall);
  }
  ASSIGN_OR_RETURN(std::string runtime, output_of({out.clang_cpp, "--target=wasm32-wasi", "-print-libgcc-file-name"}));
  runtime.resize(std::min(runtime.size(), runtime.find('\n')));
  std::error_code code;
  if (!fs::exists(runtime, code))
    return fail(ErrorKind::NotFound, "[build] clang 19 has no run-time library for WebAssembly; install it: {}",
                kInstall);
  ASSIGN_OR_RETURN(std::string linker, output_of({out.clang_cpp, "--target=wasm32-wasi", "-print-prog-name=wasm-ld"}));
  linker.resize(std::min(linker.size(), linker.find('\n')));
  if (linker.find('/') == std::string::npos && find_program(linker).empty())
    return fail(ErrorKind::NotFound, "[build] the linker wasm-ld is missing; install it: {}", kInstall);
  return {};
}

}  // namespace

Result<ScratchFolder> ScratchFolder::create(const fs::path& parent) {
  std::error_code code;
  fs::create_directories(parent, code);
  std::string form = (parent / "build.XXXXXX").string();
  if (code || !mkdtemp(form.data())) return fail(ErrorKind::Io, "[build] cannot make a folder in {}", parent.string());
  return ScratchFolder(form);
}
ScratchFolder::ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
ScratchFolder::~ScratchFolder() {
  std::error_code code;
  if (!path_.empty()) fs::remove_all(path_, code);
}

Result<> compile(const std::vector<std::string>& argv, std::string& warnings, std::stop_token stop) {
  Command command;
  command.argv = argv;
  ASSIGN_OR_RETURN(const auto exit, run_command(command, stop));
  if (exit.code != 0) return fail(ErrorKind::Invalid, "[build] {} failed:\n{}{}", argv[0], exit.output, exit.errors);
  warnings += exit.errors;
  return {};
}

Result<> compile_all(const std::vector<std::vector<std::string>>& commands, std::string& warnings,
                     std::stop_token stop) {
  std::vector<Result<>> results(commands.size());
  std::vector<std::string> words(commands.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i; (i = next++) < commands.size();) results[i] = compile(commands[i], words[i], stop);
  };
  {
    std::vector<std::jthread> threads;
    const size_t count = std::min<size_t>(std::max(1u, std::thread::hardware_concurrency()), commands.size());
    for (size_t i = 1; i < count; ++i) threads.emplace_back(work);
    work();
  }
  for (size_t i = 0; i < commands.size(); ++i) {
    TRY(results[i]);
    warnings += words[i];
  }
  return {};
}

Result<std::vector<fs::path>> files_below(const fs::path& folder) {
  std::error_code code;
  std::vector<fs::path> files;
  for (fs::recursive_directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
    if (it->is_regular_file(code)) files.push_back(it->path());
  if (code) return fail(ErrorKind::Io, "[build] cannot list {}: {}", folder.string(), code.message());
  std::sort(files.begin(), files.end());
  return files;
}

Result<GuestToolchain> find_clang() {
  GuestToolchain out;
  out.clang_cpp = find_program("clang++-19");
  out.clang_c = find_program("clang-19");
  if (out.clang_cpp.empty() || out.clang_c.empty())
    return fail(ErrorKind::NotFound, "[build] clang 19 is missing; install it: {}", kInstall);
  ASSIGN_OR_RETURN(out.version, output_of({out.clang_cpp, "--version"}));
  out.version.resize(std::min(out.version.size(), out.version.find('\n')));
  return out;
}

std::vector<std::string> compiler(const GuestToolchain& tools, bool cpp) {
  std::vector<std::string> argv{(cpp ? tools.clang_cpp : tools.clang_c).string()};
  argv.insert(argv.end(), std::begin(kTarget), std::end(kTarget));
  if (cpp) argv.insert(argv.end(), std::begin(kCpp), std::end(kCpp));
  return argv;
}

Result<GuestLibrary> compile_sdk(const fs::path& sdk, const GuestToolchain& tools, const fs::path& cache,
                                 std::stop_token stop) {
  ASSIGN_OR_RETURN(const auto files, files_below(sdk));
  Digest digest = Digest::sha256();
  for (const auto& word : compiler(tools, true)) digest.update(word + "\n");
  digest.update(tools.version);
  std::vector<fs::path> sources;
  for (const auto& file : files) {
    const auto extension = file.extension();
    if (extension != ".cpp" && extension != ".c" && extension != ".hpp" && extension != ".h") continue;
    ASSIGN_OR_RETURN(const auto text, read_file(file, kMaxSourceBytes));
    digest.update(fmt::format("{} {}\n", file.lexically_relative(sdk).string(), text.size()));
    digest.update(text);
    if (extension == ".cpp" || extension == ".c") sources.push_back(file);
  }
  if (sources.empty()) return fail(ErrorKind::NotFound, "[build] the guest library in {} has no sources", sdk.string());

  const fs::path folder = cache / "sdk" / digest.hex().substr(0, 24);
  GuestLibrary out;
  for (const auto& source : sources) {
    const fs::path object = folder / (source.filename().string() + ".o");
    (source.filename() == "libc.cpp" ? out.libc : out.objects.emplace_back()) = object;
  }
  if (fs::exists(folder)) return out;

  TRY(check_parts(tools));
  ASSIGN_OR_RETURN(const auto lock, FileLock::take(cache / "sdk.lock"));
  if (fs::exists(folder)) return out;  // another build was compiling it
  // Compiled beside and renamed, so that the folder is there whole or not at all.
  ASSIGN_OR_RETURN(const auto scratch, ScratchFolder::create(cache / "sdk"));
  std::vector<std::vector<std::string>> commands;
  for (const auto& source : sources) {
    auto argv = compiler(tools, source.extension() == ".cpp");
    for (const std::string& word : {"-I" + (sdk / "include").string(), std::string("-c"), source.string(),
                                    std::string("-o"), (scratch.path() / (source.filename().string() + ".o")).string()})
      argv.push_back(word);
    commands.push_back(std::move(argv));
  }
  std::string warnings;
  TRY(compile_all(commands, warnings, stop));
  std::error_code code;
  fs::rename(scratch.path(), folder, code);
  if (code && !fs::exists(folder))
    return fail(ErrorKind::Io, "[build] cannot make {}: {}", folder.string(), code.message());
  out.fresh = true;
  return out;
}

Result<fs::path> find_sdk() {
  std::error_code code;
  const auto whole = [&](const fs::path& folder) {
    return fs::is_regular_file(folder / "include/hearth/inferlet.hpp", code);
  };
  if (const auto set = environment("PIE_SDK")) {
    if (whole(*set)) return *set;
    return fail(ErrorKind::NotFound, "[build] PIE_SDK; got {}, need a folder with include/hearth/inferlet.hpp", *set);
  }
  const fs::path self = fs::read_symlink("/proc/self/exe", code);
  for (const fs::path& folder : {self.parent_path().parent_path() / "share/hearth/sdk", fs::path(HEARTH_SDK_SOURCE)})
    if (whole(folder)) return folder;
  return fail(ErrorKind::NotFound,
              "[build] the guest library is neither beside this program nor in {}; set PIE_SDK to its folder",
              HEARTH_SDK_SOURCE);
}

Result<GuestToolchain> find_guest_toolchain() {
  ASSIGN_OR_RETURN(auto tools, find_clang());
  TRY(check_parts(tools));
  return tools;
}

}  // namespace hearth::pie
