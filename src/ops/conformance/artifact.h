// A case with its answers as files, so that another machine with another backend can replay it: meta.json and one raw
// little-endian file per tensor. What is read is taken for hostile: names, sizes and numbers are checked before use.
#pragma once

#include <filesystem>
#include <string>

#include "ops/conformance/run_case.h"

namespace hearth::ops::conformance {

struct Artifact {
  OpCase op_case;
  std::vector<CaseTensor> outputs;  // the answers
  double tolerance = 0;
  std::string backend, isa, kernel, version;  // of the machine that gave the answers
};

// Creates `directory`; meta.json is written last and whole, so a broken write is not taken for an artifact.
Result<> write_artifact(const std::filesystem::path& directory, const Artifact& artifact);

Result<Artifact> read_artifact(const std::filesystem::path& directory);

}  // namespace hearth::ops::conformance
