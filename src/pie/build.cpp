#include "pie/build.h"

#include <hearth_component.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "base/digest.h"
#include "base/environment.h"
#include "base/file.h"
#include "base/process.h"

namespace hearth::pie {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxSourceBytes = size_t{16} << 20;   // of one file of the guest library or manifest
constexpr size_t kMaxModuleBytes = size_t{256} << 20;  // what the linker may write
constexpr size_t kMaxSources = 1000;                   // .cpp files of one guest
constexpr std::string_view kInstall =
    "sudo apt-get install clang-19 lld-19 wasi-libc libc++-19-dev-wasm32 libc++abi-19-dev-wasm32 "
    "libclang-rt-19-dev-wasm32";

// -Os: guests wait for the engine most of their time, and a small one compiles and loads faster.
const std::vector<std::string> kTarget = {"--target=wasm32-wasi", "-Os", "-fno-exceptions"};
const std::vector<std::string> kCpp = {"-std=c++23", "-fno-rtti", "-fno-threadsafe-statics"};

struct Manifest {
  std::string name, version;
};

// A folder that is removed with everything in it.
class ScratchFolder {
 public:
  static Result<ScratchFolder> create(const fs::path& parent) {
    std::error_code code;
    fs::create_directories(parent, code);
    std::string form = (parent / "build.XXXXXX").string();
    if (code || !mkdtemp(form.data()))
      return fail(ErrorKind::Io, "[build] cannot make a folder in {}", parent.string());
    return ScratchFolder(form);
  }
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder() {
    std::error_code code;
    if (!path_.empty()) fs::remove_all(path_, code);
  }
  const fs::path& path() const { return path_; }

 private:
  explicit ScratchFolder(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

Result<std::string> output_of(std::vector<std::string> argv, std::stop_token stop = {}) {
  Command command;
  command.argv = std::move(argv);
  ASSIGN_OR_RETURN(const auto exit, run_command(command, stop));
  if (exit.code != 0)
    return fail(ErrorKind::Io, "[build] {} ended with {}:\n{}", command.argv[0], exit.code, exit.errors);
  return exit.output;
}

// Runs the compiler; its words are the error, or are added to the warnings.
Result<> compile(const std::vector<std::string>& argv, std::string& warnings, std::stop_token stop) {
  Command command;
  command.argv = argv;
  ASSIGN_OR_RETURN(const auto exit, run_command(command, stop));
  if (exit.code != 0) return fail(ErrorKind::Invalid, "[build] {} failed:\n{}{}", argv[0], exit.output, exit.errors);
  warnings += exit.errors;
  return {};
}

// Runs all, as many at once as there are processors; the first error in their order counts.
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

// Every command starts like this; sources, -c and -o follow.
std::vector<std::string> compiler(const GuestToolchain& tools, bool cpp) {
  std::vector<std::string> argv{(cpp ? tools.clang_cpp : tools.clang_c).string()};
  argv.insert(argv.end(), kTarget.begin(), kTarget.end());
  if (cpp) argv.insert(argv.end(), kCpp.begin(), kCpp.end());
  return argv;
}

// The guest library as object files, compiled once per content, flags and compiler.
struct CompiledSdk {
  std::vector<fs::path> objects;
  fs::path libc;  // the object that takes the adapter's place
  bool fresh = false;
};

Result<CompiledSdk> compile_sdk(const fs::path& sdk, const GuestToolchain& tools, const fs::path& cache,
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
  CompiledSdk out;
  for (const auto& source : sources) {
    const fs::path object = folder / (source.filename().string() + ".o");
    (source.filename() == "libc.cpp" ? out.libc : out.objects.emplace_back()) = object;
  }
  if (fs::exists(folder)) return out;

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

Result<Manifest> read_manifest(const fs::path& path) {
  ASSIGN_OR_RETURN(const auto text, read_file(path, kMaxSourceBytes));
  toml::table table;
  try {
    table = toml::parse(text, path.string());
  } catch (const toml::parse_error& error) {
    return fail(ErrorKind::Invalid, "[build] {}:{}: {}", path.string(), error.source().begin.line, error.description());
  }
  Manifest out;
  const auto* package = table["package"].as_table();
  if (!package)
    return fail(ErrorKind::Invalid, "[build] {} has no table [package] with name and version", path.string());
  const auto word = [&](const char* key, std::string& value) -> Result<> {
    const auto* node = package->get(key);
    if (!node) return {};
    if (!node->is_string())
      return fail(ErrorKind::Invalid, "[build] {}: package.{}; need a text in quotes", path.string(), key);
    value = node->as_string()->get();
    return {};
  };
  TRY(word("name", out.name));
  TRY(word("version", out.version));
  if (out.name.empty()) return fail(ErrorKind::Invalid, "[build] {}: package.name is missing", path.string());
  ASSIGN_OR_RETURN(const auto clean, package_name(out.name));
  if (clean != out.name)
    return fail(ErrorKind::Invalid, "[build] {}: package.name; got \"{}\", need a name like \"{}\"", path.string(),
                out.name, clean);
  return out;
}

struct Sources {
  std::vector<fs::path> files;
  Manifest manifest;
};

Result<Sources> find_sources(const fs::path& source) {
  std::error_code code;
  Sources out;
  if (fs::is_regular_file(source, code)) {
    if (source.extension() != ".cpp")
      return fail(ErrorKind::Usage, "[build] source; got {}, need a .cpp file or a folder", source.string());
    out.files.push_back(source);
    ASSIGN_OR_RETURN(out.manifest.name, package_name(source.stem().string()));
    return out;
  }
  if (!fs::is_directory(source, code))
    return fail(ErrorKind::NotFound, "[build] there is no file or folder {}", source.string());
  ASSIGN_OR_RETURN(const auto files, files_below(source));
  for (const auto& file : files)
    if (file.extension() == ".cpp") out.files.push_back(file);
  if (out.files.empty() || out.files.size() > kMaxSources)
    return fail(ErrorKind::Invalid, "[build] .cpp files in {}; got {}, need 1 to {}", source.string(), out.files.size(),
                kMaxSources);
  for (const char* name : {"Pie.toml", "Inferlet.toml"}) {
    if (!fs::exists(source / name, code)) continue;
    ASSIGN_OR_RETURN(out.manifest, read_manifest(source / name));
    return out;
  }
  ASSIGN_OR_RETURN(out.manifest.name, package_name(fs::weakly_canonical(source, code).filename().string()));
  return out;
}

Result<std::string> componentise(const std::string& module, const Manifest& manifest) {
  std::string component;
  const hearth_sink sink{&component, [](void* out, const void* bytes, size_t size) {
                           static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), size);
                         }};
  const std::unique_ptr<char, decltype(&hearth_text_free)> error(
      hearth_component_encode(reinterpret_cast<const uint8_t*>(module.data()), module.size(), manifest.name.data(),
                              manifest.name.size(), manifest.version.data(), manifest.version.size(), sink),
      hearth_text_free);
  if (!error) return component;
  std::string text = error.get();
  if (text.find("failed to find export") != std::string::npos)
    text += "\nEvery guest has one HEARTH_INFERLET(function).";
  return fail(ErrorKind::Invalid, "[build] the module does not make a component: {}", text);
}

}  // namespace

Result<std::string> package_name(std::string_view text) {
  std::string name;
  bool word = false;  // inside one
  for (const char c : text) {
    const bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
    if (upper || lower || (digit && word)) {
      if (!word && !name.empty()) name += '-';
      name += upper ? static_cast<char>(c - 'A' + 'a') : c;
      word = true;
    } else {
      if (digit || (c != '-' && c != '_' && c != '.' && c != ' ')) {
        name.clear();
        break;
      }
      word = false;
    }
  }
  if (name.empty())
    return fail(
        ErrorKind::Invalid,
        "[build] name; got \"{}\", need words of letters and digits, each beginning with a letter, joined by '-'",
        text);
  if (name == "core" || name == "instruct" || name == "mcp")
    return fail(ErrorKind::Invalid, "[build] name; got \"{}\", which is a package of the guest contract", name);
  return name;
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
  GuestToolchain out;
  out.clang_cpp = find_program("clang++-19");
  out.clang_c = find_program("clang-19");
  if (out.clang_cpp.empty() || out.clang_c.empty())
    return fail(ErrorKind::NotFound, "[build] clang 19 is missing; install it: {}", kInstall);
  ASSIGN_OR_RETURN(out.version, output_of({out.clang_cpp, "--version"}));
  out.version.resize(std::min(out.version.size(), out.version.find('\n')));
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
  return out;
}

Result<BuildReport> build_inferlet(const BuildRequest& request, std::stop_token stop) {
  const auto start = std::chrono::steady_clock::now();
  ASSIGN_OR_RETURN(const auto sources, find_sources(request.source));
  fs::path sdk = request.sdk;
  if (sdk.empty()) {
    ASSIGN_OR_RETURN(sdk, find_sdk());
  }
  ASSIGN_OR_RETURN(const auto tools, find_guest_toolchain());
  ASSIGN_OR_RETURN(const auto library, compile_sdk(sdk, tools, request.cache, stop));

  BuildReport report;
  report.name = sources.manifest.name;
  report.version = sources.manifest.version;
  report.compiled_sdk = library.fresh;
  report.output = request.output.empty() ? fs::path(report.name + ".wasm") : request.output;

  ASSIGN_OR_RETURN(const auto scratch, ScratchFolder::create(request.cache / "sdk"));
  std::vector<std::vector<std::string>> commands;
  std::vector<std::string> objects;
  for (const auto& source : sources.files) {
    objects.push_back((scratch.path() / fmt::format("{}.o", objects.size())).string());
    auto argv = compiler(tools, true);
    for (const std::string& word : {std::string("-Wall"), std::string("-Wextra"), "-I" + (sdk / "include").string(),
                                    fmt::format("-DHEARTH_INFERLET_NAME=\"{}\"", report.name),
                                    std::string(request.colour ? "-fcolor-diagnostics" : "-fno-color-diagnostics"),
                                    std::string("-c"), source.string(), std::string("-o"), objects.back()})
      argv.push_back(word);
    commands.push_back(std::move(argv));
  }
  TRY(compile_all(commands, report.warnings, stop));

  const fs::path module_path = scratch.path() / "module.wasm";
  const auto link = [&](bool with_libc) -> Result<std::string> {
    auto argv = compiler(tools, true);
    argv.insert(argv.end(), {"-mexec-model=reactor", "-Wl,--strip-debug"});
    argv.insert(argv.end(), objects.begin(), objects.end());
    for (const auto& object : library.objects) argv.push_back(object.string());
    if (with_libc) argv.push_back(library.libc.string());
    argv.push_back("-o");
    argv.push_back(module_path.string());
    TRY(compile(argv, report.warnings, stop));
    return read_file(module_path, kMaxModuleBytes);
  };
  ASSIGN_OR_RETURN(std::string module, link(true));
  // The guest needs more of the system than sdk/cpp/src/libc.cpp gives: all of it comes from the adapter then.
  if (module.find("\x16wasi_snapshot_preview1") != std::string::npos) {
    ASSIGN_OR_RETURN(module, link(false));
  }
  ASSIGN_OR_RETURN(const std::string component, componentise(module, sources.manifest));
  TRY(write_file(report.output, component));
  report.bytes = component.size();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace hearth::pie
