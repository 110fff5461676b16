#include "llm/safetensors_file.h"

#include <sys/stat.h>

#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "base/file.h"
#include "llm/arch/architecture.h"
#include "llm/metadata.h"
#include "tensor/checksum.h"

static_assert(std::endian::native == std::endian::little, "tensors are read in place");

namespace hearth::llm {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr uint64_t kMaxHeaderBytes = uint64_t{32} << 20;  // of one .safetensors file
constexpr size_t kMaxConfigBytes = size_t{16} << 20;      // config.json and its neighbours, the shard index
constexpr size_t kMaxTokenizerBytes = size_t{256} << 20;  // tokenizer.json
constexpr size_t kMaxTemplateBytes = size_t{1} << 20;
constexpr size_t kMaxShards = 4096;
constexpr size_t kMaxTensors = 1 << 18;
constexpr size_t kMaxRank = 4;
constexpr uint64_t kMaxTensorElements = uint64_t{1} << 42;
constexpr size_t kMaxDepth = 64;  // of nested JSON

// nlohmann throws only without this argument; a text that is not JSON comes back as "discarded".
Result<json> parse_object(std::string_view text, std::string_view where) {
  bool too_deep = false;
  const json::parser_callback_t guard = [&](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || depth > static_cast<int>(kMaxDepth);
    return !too_deep;
  };
  json parsed = json::parse(text, guard, false);
  if (too_deep || !parsed.is_object())
    return fail(ErrorKind::Invalid, "[safetensors] {}; need a JSON object, nested at most {} deep", where, kMaxDepth);
  return parsed;
}

Result<json> read_object(const fs::path& path) {
  ASSIGN_OR_RETURN(const std::string text, read_file(path, kMaxConfigBytes));
  return parse_object(text, path.filename().string());
}

// Nested keys joined by dots. Lists of anything but numbers or strings are of no use to a configuration and left out.
void flatten(const json& object, const std::string& prefix, Metadata& out) {
  for (const auto& [name, value] : object.items()) {
    const std::string key = prefix + name;
    if (value.is_null()) {
      out.set(key, std::monostate());
    } else if (value.is_boolean()) {
      out.set(key, value.get<bool>());
    } else if (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX) {
      out.set(key, static_cast<double>(value.get<uint64_t>()));
    } else if (value.is_number_integer()) {
      out.set(key, value.get<int64_t>());
    } else if (value.is_number()) {
      out.set(key, value.get<double>());
    } else if (value.is_string()) {
      out.set(key, out.own(value.get<std::string>()));
    } else if (value.is_object()) {
      flatten(value, key + ".", out);
    } else if (value.is_array()) {
      const auto all = [&](auto is) { return std::all_of(value.begin(), value.end(), is); };
      if (all([](const json& x) { return x.is_number(); })) {
        out.set(key, value.get<Metadata::Numbers>());
      } else if (all([](const json& x) { return x.is_string(); })) {
        Metadata::Strings strings;
        for (const json& text : value) strings.push_back(out.own(text.get<std::string>()));
        out.set(key, std::move(strings));
      }
    }
  }
}

std::optional<DType> dtype_of_safetensors(std::string_view name) {
  if (name == "F32") return DType::F32;
  if (name == "F16") return DType::F16;
  if (name == "BF16") return DType::BF16;
  return std::nullopt;
}

std::optional<uint64_t> whole_number(const json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  return value.get<uint64_t>();
}

class SafetensorsFolder final : public ModelFile {
 public:
  explicit SafetensorsFolder(fs::path path) : path_(std::move(path)) {}

  Result<> open();

  std::string_view format() const override { return "safetensors"; }
  const fs::path& path() const override { return path_; }
  const ModelConfig& config() const override { return config_; }
  const std::vector<FileTensor>& tensors() const override { return tensors_; }
  const FileTensor* find(std::string_view name) const override {
    const auto it = by_name_.find(std::string(name));
    return it == by_name_.end() ? nullptr : &tensors_[it->second];
  }
  const TokenizerSource& tokenizer() const override { return tokenizer_; }
  const std::string& chat_template() const override { return chat_template_; }
  std::string fingerprint() const override { return fmt::format("safetensors-{:016x}", identity_); }

 private:
  Result<std::vector<std::string>> shard_names() const;
  Result<> read_shard(const std::string& name);
  Result<> add_tensor(const std::string& name, const json& entry, std::span<const std::byte> data);
  Result<> read_tokenizer();
  Result<> read_special_tokens(const json& tokenizer_config);
  Result<> read_chat_template(const json& tokenizer_config);

  fs::path path_;
  std::vector<MappedFile> maps_;
  Metadata metadata_;
  ModelConfig config_;
  std::vector<FileTensor> tensors_;
  std::unordered_map<std::string, size_t> by_name_;
  TokenizerSource tokenizer_;
  std::string chat_template_;
  uint64_t identity_ = 0;  // of everything that shapes the weights
};

Result<> SafetensorsFolder::open() {
  ASSIGN_OR_RETURN(const std::string text, read_file(path_ / "config.json", kMaxConfigBytes));
  identity_ = checksum(text);
  ASSIGN_OR_RETURN(const json config, parse_object(text, "config.json"));
  flatten(config, "", metadata_);
  if (metadata_.find("quantization_config.quant_method") != nullptr)
    return fail(ErrorKind::Unsupported, "[safetensors] quantization_config; need weights of f32, f16 or bf16");
  ASSIGN_OR_RETURN(config_, read_json_config(metadata_));
  TRY(check(config_));
  ASSIGN_OR_RETURN(const auto shards, shard_names());
  for (const std::string& shard : shards) TRY(read_shard(shard));
  return read_tokenizer();
}

Result<std::vector<std::string>> SafetensorsFolder::shard_names() const {
  std::error_code code;
  if (!fs::exists(path_ / "model.safetensors.index.json", code)) return std::vector<std::string>{"model.safetensors"};
  ASSIGN_OR_RETURN(const json index, read_object(path_ / "model.safetensors.index.json"));
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object())
    return fail(ErrorKind::Invalid, "[safetensors] model.safetensors.index.json; need an object \"weight_map\"");
  std::set<std::string> names;
  for (const auto& [tensor, shard] : map->items()) {
    // A name, not a path: a hostile index must not lead out of the folder.
    const std::string name = shard.is_string() ? shard.get<std::string>() : "";
    if (name.empty() || name.find('/') != std::string::npos || name.find('\0') != std::string::npos || name[0] == '.')
      return fail(ErrorKind::Invalid,
                  "[safetensors] weight_map of {}; got \"{}\", need the name of a file in the folder", tensor, name);
    names.insert(name);
  }
  if (names.empty() || names.size() > kMaxShards)
    return fail(ErrorKind::Invalid, "[safetensors] shards; got {}, need 1 to {}", names.size(), kMaxShards);
  return std::vector<std::string>(names.begin(), names.end());
}

Result<> SafetensorsFolder::read_shard(const std::string& name) {
  ASSIGN_OR_RETURN(maps_.emplace_back(), MappedFile::open(path_ / name));
  const std::span<const std::byte> bytes = maps_.back().bytes();
  uint64_t header_bytes = 0;
  if (bytes.size() >= sizeof header_bytes) std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  const uint64_t most = bytes.size() < sizeof header_bytes ? 0 : std::min<uint64_t>(kMaxHeaderBytes, bytes.size() - 8);
  if (header_bytes < 2 || header_bytes > most)
    return fail(ErrorKind::Invalid, "[safetensors] header of {}; got {} bytes, need 2 to {}", name, header_bytes, most);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data() + 8), header_bytes);
  ASSIGN_OR_RETURN(const json header, parse_object(text, name));
  const auto data = bytes.subspan(8 + header_bytes);
  if (header.size() > kMaxTensors - tensors_.size())
    return fail(ErrorKind::Invalid, "[safetensors] tensors; got more than {}", kMaxTensors);
  for (const auto& [tensor, entry] : header.items())
    if (tensor != "__metadata__") TRY(add_tensor(tensor, entry, data));

  struct stat status{};
  if (::stat((path_ / name).c_str(), &status) != 0)
    return fail(ErrorKind::Io, "[safetensors] cannot stat {}", (path_ / name).string());
  identity_ = checksum(text, identity_);
  identity_ = checksum(fmt::format("{} {} {}.{}", name, bytes.size(), status.st_mtim.tv_sec, status.st_mtim.tv_nsec),
                       identity_);
  return {};
}

Result<> SafetensorsFolder::add_tensor(const std::string& name, const json& entry, std::span<const std::byte> data) {
  const auto broken = [&](std::string_view what) {
    return fail(ErrorKind::Invalid, "[safetensors] tensor {}; need {}", name, what);
  };
  if (!entry.is_object()) return broken("an object");
  const auto dtype = entry.find("dtype"), shape = entry.find("shape"), offsets = entry.find("data_offsets");
  if (dtype == entry.end() || !dtype->is_string()) return broken("a dtype");
  if (shape == entry.end() || !shape->is_array()) return broken("a shape");
  if (offsets == entry.end() || !offsets->is_array() || offsets->size() != 2) return broken("two data_offsets");
  const auto type = dtype_of_safetensors(dtype->get<std::string>());
  if (!type)
    return fail(ErrorKind::Unsupported, "[safetensors] tensor {}; got dtype {}, need one of F32, F16, BF16", name,
                dtype->get<std::string>());
  if (shape->size() > kMaxRank) return broken(fmt::format("at most {} dimensions", kMaxRank));
  std::vector<int64_t> dims;
  uint64_t elements = 1;
  for (const json& value : *shape) {
    const auto dim = whole_number(value);
    if (!dim || *dim < 1 || *dim > kMaxTensorElements / elements)
      return broken(fmt::format("dimensions from 1, at most {} elements", kMaxTensorElements));
    elements *= *dim;
    dims.push_back(static_cast<int64_t>(*dim));
  }
  const auto begin = whole_number((*offsets)[0]), end = whole_number((*offsets)[1]);
  const auto bytes = static_cast<uint64_t>(bytes_of(*type, static_cast<int64_t>(elements)));
  if (!begin || !end || *begin > *end || *end > data.size() || *end - *begin != bytes)
    return fail(ErrorKind::Invalid,
                "[safetensors] tensor {}; got bytes {} to {}, need {} of them within the {} bytes of data (is the file "
                "cut short?)",
                name, begin.value_or(0), end.value_or(0), bytes, data.size());
  if (!by_name_.emplace(name, tensors_.size()).second) return broken("one place: it stands in two shards");
  tensors_.push_back({name, view(data.data() + *begin, *type, dims), bytes});
  return {};
}

Result<> SafetensorsFolder::read_tokenizer() {
  std::error_code code;
  if (fs::exists(path_ / "tokenizer.json", code)) {
    ASSIGN_OR_RETURN(tokenizer_.tokenizer_json, read_file(path_ / "tokenizer.json", kMaxTokenizerBytes));
  }
  json tokenizer_config = json::object();
  if (fs::exists(path_ / "tokenizer_config.json", code)) {
    ASSIGN_OR_RETURN(tokenizer_config, read_object(path_ / "tokenizer_config.json"));
  }
  TRY(read_special_tokens(tokenizer_config));
  return read_chat_template(tokenizer_config);
}

Result<> SafetensorsFolder::read_special_tokens(const json& tokenizer_config) {
  json generation = json::object();
  std::error_code code;
  if (fs::exists(path_ / "generation_config.json", code)) {
    ASSIGN_OR_RETURN(generation, read_object(path_ / "generation_config.json"));
  }
  ASSIGN_OR_RETURN(const json config, read_object(path_ / "config.json"));
  // A number or a list of numbers; what is no token of this model is refused.
  const auto ids_of = [&](const json& source, const char* key) -> Result<std::vector<uint32_t>> {
    const auto it = source.find(key);
    if (it == source.end() || it->is_null()) return std::vector<uint32_t>{};
    std::vector<uint32_t> ids;
    for (const json& value : it->is_array() ? *it : json::array({*it})) {
      const auto id = whole_number(value);
      if (!id || *id >= static_cast<uint64_t>(config_.vocab))
        return fail(ErrorKind::Invalid, "[safetensors] {}; need tokens below {}", key, config_.vocab);
      ids.push_back(static_cast<uint32_t>(*id));
    }
    return ids;
  };
  // generation_config.json knows the ends of a turn as well; config.json often only the end of a text.
  for (const json* source : {static_cast<const json*>(&generation), &config}) {
    ASSIGN_OR_RETURN(const auto bos, ids_of(*source, "bos_token_id"));
    ASSIGN_OR_RETURN(const auto eos, ids_of(*source, "eos_token_id"));
    ASSIGN_OR_RETURN(const auto pad, ids_of(*source, "pad_token_id"));
    if (!tokenizer_.bos && !bos.empty()) tokenizer_.bos = bos.front();
    if (!tokenizer_.pad && !pad.empty()) tokenizer_.pad = pad.front();
    for (const uint32_t id : eos) {
      if (!tokenizer_.eos) tokenizer_.eos = id;
      if (std::find(tokenizer_.stops.begin(), tokenizer_.stops.end(), id) == tokenizer_.stops.end())
        tokenizer_.stops.push_back(id);
    }
  }
  const auto flag = [&](const char* key) {
    const auto it = tokenizer_config.find(key);
    return it != tokenizer_config.end() && it->is_boolean() && it->get<bool>();
  };
  tokenizer_.add_bos = flag("add_bos_token");
  tokenizer_.add_eos = flag("add_eos_token");
  return {};
}

Result<> SafetensorsFolder::read_chat_template(const json& tokenizer_config) {
  std::error_code code;
  if (fs::exists(path_ / "chat_template.jinja", code)) {
    ASSIGN_OR_RETURN(chat_template_, read_file(path_ / "chat_template.jinja", kMaxTemplateBytes));
    return {};
  }
  const auto it = tokenizer_config.find("chat_template");
  if (it == tokenizer_config.end()) return {};
  if (it->is_string()) {
    chat_template_ = it->get<std::string>();
  } else if (it->is_array()) {  // several by name: the default one
    for (const json& entry : *it)
      if (entry.is_object() && entry.value("name", json()) == "default" && entry.value("template", json()).is_string())
        chat_template_ = entry["template"].get<std::string>();
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ModelFile>> open_safetensors_folder(const fs::path& path) {
  auto file = std::make_unique<SafetensorsFolder>(path);
  if (auto opened = file->open(); !opened) return within(path.string(), std::move(opened).error());
  return file;
}

}  // namespace hearth::llm
