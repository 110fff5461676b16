#include "import/onnx/read_onnx.h"

#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "base/file.h"
#include "base/quote_bytes.h"
#include "import/onnx/context.h"
#include "import/onnx/external_data.h"
#include "import/onnx/foreign_file.h"
#include "import/onnx/read_graph.h"
#include "import/onnx/read_model_message.h"
#include "import/onnx/wire.h"

namespace hearth::import {

using graph::Model;

namespace onnx {
namespace {

constexpr int64_t kNewestIrVersion = 13;
constexpr int64_t kFirstIrVersionWithOpsets = 3;

struct ModelParts {
  bool has_graph = false;
  std::string_view graph;
  std::vector<std::string_view> functions, opsets, metadata;
};

// training_info, and what describes the placement on several devices, are no part of what a model computes here.
Result<> scan_model(std::string_view bytes, const OnnxLimits& limits, Model& model, ModelParts& parts) {
  const auto text = [&](Message& message, std::string& to) -> Result<> {
    TRY(check_text("string of the model", message.bytes(), limits.max_string_bytes, "max_string_bytes"));
    to = message.bytes();
    return {};
  };
  Message message(bytes, "ModelProto");
  while (message.next()) {
    switch (message.field()) {
      case 1:
        model.ir_version = message.integer();
        break;
      case 2:
        TRY(text(message, model.producer_name));
        break;
      case 3:
        TRY(text(message, model.producer_version));
        break;
      case 4:
        TRY(text(message, model.domain));
        break;
      case 5:
        model.model_version = message.integer();
        break;
      case 6:
        TRY(text(message, model.doc));
        break;
      case 7:
        parts.graph = message.bytes();
        parts.has_graph = true;
        break;
      case 8:
        parts.opsets.push_back(message.bytes());
        break;
      case 14:
        parts.metadata.push_back(message.bytes());
        break;
      case 25:
        if (parts.functions.size() == limits.max_functions)
          return fail(ErrorKind::Limit, "[onnx] max_functions; got more, need at most {}", limits.max_functions);
        parts.functions.push_back(message.bytes());
        break;
      default:
        break;
    }
  }
  TRY(message.end());
  if (!parts.has_graph) return fail(ErrorKind::Invalid, "[onnx] model; got no graph, need one");
  if (model.ir_version < 1)
    return fail(ErrorKind::Invalid, "[onnx] ir_version; got {}, need 1 to {}", model.ir_version, kNewestIrVersion);
  return {};
}

Result<> read_metadata(std::string_view bytes, const OnnxLimits& limits, Model& model) {
  std::string_view key, value;
  Message message(bytes, "StringStringEntryProto");
  while (message.next()) {
    if (message.field() == 1) key = message.bytes();
    if (message.field() == 2) value = message.bytes();
  }
  TRY(message.end());
  TRY(check_text("key of metadata", key, limits.max_string_bytes, "max_string_bytes"));
  TRY(check_text("metadata", value, limits.max_string_bytes, "max_string_bytes"));
  model.metadata.insert_or_assign(std::string(key), std::string(value));
  return {};
}

Result<> read_functions(const ModelParts& parts, ModelReading& reading, Model& model) {
  std::set<std::tuple<std::string_view, std::string_view, std::string_view>> known;
  model.functions.reserve(parts.functions.size());  // `known` refers to their names
  for (const std::string_view bytes : parts.functions) {
    ASSIGN_OR_RETURN(auto function, read_function(bytes, reading));
    const auto& added = model.functions.emplace_back(std::move(function));
    if (!known.emplace(added.domain, added.name, added.overload).second)
      return fail(ErrorKind::Invalid, "[onnx] function {} of domain {}; got it twice, need it once",
                  quote_bytes(added.name), quote_bytes(added.domain));
  }
  return {};
}

uint64_t random_seed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

}  // namespace

Result<Model> read_model_message(ExternalData::File message, ExternalData& external, const OnnxLimits& limits,
                                 std::string_view name) {
  const std::span<const std::byte> bytes = message.bytes;
  const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  Model model;
  ModelParts parts;
  if (auto scanned = scan_model(text, limits, model, parts); !scanned) {
    const std::string foreign = describe_foreign(bytes);
    if (scanned.error().kind == ErrorKind::Limit || foreign.empty()) return std::unexpected(std::move(scanned).error());
    return fail(ErrorKind::Invalid, "[onnx] {}; got {}, need an ONNX model", name, foreign);
  }
  if (model.ir_version > kNewestIrVersion)
    return fail(ErrorKind::Unsupported, "[onnx] ir_version; got {}, need at most {}", model.ir_version,
                kNewestIrVersion);
  for (const std::string_view opset : parts.opsets) TRY(read_opset(opset, model.opsets));
  if (model.ir_version < kFirstIrVersionWithOpsets) model.opsets.emplace("", 1);
  for (const std::string_view entry : parts.metadata) TRY(read_metadata(entry, limits, model));
  ModelReading reading{.limits = limits,
                       .tensors = {.borrow = true,
                                   .owner = message.owner,
                                   .mapped = message.mapped,
                                   .external = &external,
                                   .max_string_bytes = limits.max_string_bytes},
                       .hash_seed = random_seed()};
  TRY(read_functions(parts, reading, model));
  ASSIGN_OR_RETURN(model.graph, read_graph(parts.graph, reading));
  model.backing = external.owners();
  model.external_files = external.paths();
  if (message.owner) model.backing.push_back(std::move(message.owner));
  return model;
}

}  // namespace onnx

Result<Model> read_onnx(const std::filesystem::path& path, const OnnxLimits& limits) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return fail(ErrorKind::Invalid, "[onnx] {}; got {}, need an ONNX model", path.string(),
                onnx::describe_folder(path));
  ASSIGN_OR_RETURN(auto map, MappedFile::open(path, MappedFile::Reading::Once));
  const auto file = std::make_shared<const MappedFile>(std::move(map));
  std::filesystem::path folder = path.parent_path();
  if (folder.empty()) folder = ".";
  onnx::ExternalData external(folder);
  auto model = onnx::read_model_message({file->bytes(), file, true}, external, limits, path.string());
  if (!model && !model.error().message.contains(path.string()))
    model.error().message += fmt::format(" (in {})", path.string());
  return model;
}

Result<Model> read_onnx(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                        const std::filesystem::path& folder, const OnnxLimits& limits) {
  onnx::ExternalData external(folder);
  return onnx::read_model_message({bytes, std::move(owner), false}, external, limits, "bytes");
}

}  // namespace hearth::import
