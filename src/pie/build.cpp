#include "pie/build.h"

// As every file that sees toml++ says: its parts that both settings share differ inside, so a mix crashes.
#define TOML_EXCEPTIONS 0
#include <hearth_component.h>
#include <toml++/toml.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "base/file.h"
#include "pie/guest_library.h"

namespace hearth::pie {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxModuleBytes = size_t{256} << 20;  // what the linker may write
constexpr size_t kMaxSources = 1000;                   // .cpp files of one guest

struct Manifest {
  std::string name, version;
};

Result<Manifest> read_manifest(const fs::path& path) {
  ASSIGN_OR_RETURN(const auto text, read_file(path, kMaxSourceBytes));
  const auto parsed = toml::parse(text, path.string());
  if (!parsed)
    return fail(ErrorKind::Invalid, "[build] {}:{}: {}", path.string(), parsed.error().source().begin.line,
                parsed.error().description());
  Manifest out;
  const auto* package = parsed.table()["package"].as_table();
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

Result<BuildReport> build_inferlet(const BuildRequest& request, std::stop_token stop) {
  const auto start = std::chrono::steady_clock::now();
  ASSIGN_OR_RETURN(const auto sources, find_sources(request.source));
  fs::path sdk = request.sdk;
  if (sdk.empty()) {
    ASSIGN_OR_RETURN(sdk, find_sdk());
  }
  ASSIGN_OR_RETURN(const auto tools, find_clang());
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
