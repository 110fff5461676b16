// The cache of compiled models: one as the passes left it, weights packed, in a .pfm file that the next start maps
// instead of reading, checking, rewriting and packing again. A file serves one source, one set of options, one
// instruction set and one build of this code; anything else about it makes it another model's or a broken one, which is
// logged and made again. The folder is trusted as the program itself is. It does not grow without end: what has not
// been used for longest goes when a new file makes all of them too large.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "graph/graph.h"

namespace hearth::runtime {

class CompiledCache {
 public:
  // `options`: all that the compiled form depends on besides the model, as text.
  // The model in a file: told apart by path, size and time of change. NotFound; Unsupported when this program was
  // linked without a build id.
  static Result<CompiledCache> of_file(const std::filesystem::path& folder, const std::filesystem::path& model,
                                       std::string options);
  // The model in memory: by its bytes.
  static Result<CompiledCache> of_bytes(const std::filesystem::path& folder, std::span<const std::byte> model,
                                        std::string options);

  const std::filesystem::path& path() const { return path_; }  // of the file that serves, there or not

  // The compiled model; nullopt when there is none. A broken file is dropped.
  std::optional<graph::Model> load() const;
  // What is in the file turned out not to run.
  void drop(std::string_view why) const;
  // Appears under its name when it is complete; a failure is logged and costs the next start its time. Afterwards the
  // compiled models of the folder, of whatever model, have at most `folder_bytes` together (0: no limit), or this is
  // the only one: those used least recently are removed. A process that has mapped one keeps it.
  void store(graph::Model model, uint64_t folder_bytes) const;

 private:
  CompiledCache(std::filesystem::path path, std::string key) : path_(std::move(path)), key_(std::move(key)) {}
  void bound_folder(uint64_t folder_bytes) const;
  static Result<CompiledCache> make(const std::filesystem::path& folder, std::string_view name, std::string key);

  std::filesystem::path path_;
  std::string key_;  // the whole of it; the file's name has its checksum
};

}  // namespace hearth::runtime
