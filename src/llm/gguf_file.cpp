#include "llm/gguf_file.h"

#include <sys/stat.h>

#include <bit>
#include <cstring>
#include <unordered_map>

#include "base/file.h"
#include "llm/arch/architecture.h"
#include "llm/gguf_metadata.h"
#include "llm/metadata.h"
#include "tensor/checksum.h"

namespace hearth::llm {
namespace {

constexpr uint64_t kMaxTensors = 1 << 16;
constexpr uint64_t kMaxTensorElements = uint64_t{1} << 42;
constexpr uint32_t kMaxDims = 4;

struct TypeNumber {
  DType type;
  uint32_t number;
};
constexpr TypeNumber kTypes[] = {{DType::F32, 0},   {DType::F16, 1},   {DType::Q4_0, 2}, {DType::Q4_1, 3},
                                 {DType::Q5_0, 6},  {DType::Q5_1, 7},  {DType::Q8_0, 8}, {DType::Q4_K, 12},
                                 {DType::Q5_K, 13}, {DType::Q6_K, 14}, {DType::BF16, 30}};

// Names of what the format knows and we do not serve, for messages.
std::string_view foreign_type_name(uint32_t number) {
  constexpr std::string_view kNames[] = {
      "",         "",         "",        "",      "Q4_2",       "Q4_3",       "",           "",
      "",         "Q8_1",     "Q2_K",    "Q3_K",  "",           "",           "",           "Q8_K",
      "IQ2_XXS",  "IQ2_XS",   "IQ3_XXS", "IQ1_S", "IQ4_NL",     "IQ3_S",      "IQ2_S",      "IQ4_XS",
      "I8",       "I16",      "I32",     "I64",   "F64",        "IQ1_M",      "",           "Q4_0_4_4",
      "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",   "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4"};
  return number < std::size(kNames) && !kNames[number].empty() ? kNames[number] : "unknown";
}

class GgufFile final : public ModelFile {
 public:
  explicit GgufFile(std::filesystem::path path) : path_(std::move(path)) {}

  Result<> open();

  std::string_view format() const override { return "gguf"; }
  const std::filesystem::path& path() const override { return path_; }
  const ModelConfig& config() const override { return config_; }
  const std::vector<FileTensor>& tensors() const override { return tensors_; }
  const FileTensor* find(std::string_view name) const override {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : &tensors_[it->second];
  }
  const TokenizerSource& tokenizer() const override { return tokenizer_; }
  const std::string& chat_template() const override { return chat_template_; }
  std::string fingerprint() const override { return fingerprint_; }

 private:
  Result<> read_header();
  Result<> read_tensor_table(GgufCursor& cursor, uint64_t count);
  Result<> read_config();
  Result<> read_rope_factors();
  Result<> read_tokenizer();

  std::filesystem::path path_;
  MappedFile map_;
  Metadata metadata_;
  ModelConfig config_;
  std::vector<FileTensor> tensors_;
  std::unordered_map<std::string_view, size_t> by_name_;  // views of the mapped file
  TokenizerSource tokenizer_;
  std::string chat_template_, fingerprint_;
};

Result<> GgufFile::open() {
  ASSIGN_OR_RETURN(map_, MappedFile::open(path_));
  TRY(read_header());
  TRY(read_config());
  return read_tokenizer();
}

Result<> GgufFile::read_header() {
  GgufCursor cursor(map_.bytes());
  ASSIGN_OR_RETURN(const uint32_t magic, cursor.read<uint32_t>("magic"));
  if (magic != 0x46554747)  // "GGUF"
    return fail(ErrorKind::Invalid, "[gguf] magic; got {:#010x}, need \"GGUF\"", magic);
  ASSIGN_OR_RETURN(const uint32_t version, cursor.read<uint32_t>("version"));
  if (version != 2 && version != 3)
    return fail(ErrorKind::Unsupported, "[gguf] version; got {}, need 2 or 3 (little-endian)", version);
  ASSIGN_OR_RETURN(const uint64_t tensor_count, cursor.read<uint64_t>("tensor count"));
  ASSIGN_OR_RETURN(const uint64_t key_count, cursor.read<uint64_t>("key count"));
  if (tensor_count > kMaxTensors)
    return fail(ErrorKind::Invalid, "[gguf] tensor count; got {}, need at most {}", tensor_count, kMaxTensors);
  TRY(read_gguf_metadata(cursor, key_count, metadata_));
  if (const auto* split = metadata_.get<int64_t>("split.count"); split != nullptr && *split > 1)
    return fail(ErrorKind::Unsupported, "[gguf] {}; got one of {} parts, need a file that is not split", path_.string(),
                *split);
  TRY(read_tensor_table(cursor, tensor_count));
  struct stat status{};
  if (::stat(path_.c_str(), &status) != 0) return fail(ErrorKind::Io, "[gguf] cannot stat {}", path_.string());
  const uint64_t header = checksum(map_.bytes().first(cursor.offset()));
  fingerprint_ = fmt::format("gguf-{:016x}-{:x}-{:x}.{:x}", header, map_.bytes().size(), status.st_mtim.tv_sec,
                             status.st_mtim.tv_nsec);
  return {};
}

Result<> GgufFile::read_tensor_table(GgufCursor& cursor, uint64_t count) {
  struct Entry {
    std::string_view name;
    DType type;
    uint64_t offset, bytes;
    std::vector<int64_t> dims;
  };
  std::vector<Entry> entries;
  for (uint64_t i = 0; i < count; ++i) {
    Entry entry;
    ASSIGN_OR_RETURN(entry.name, cursor.read_string("tensor name", kMaxGgufNameBytes));
    ASSIGN_OR_RETURN(const uint32_t rank, cursor.read<uint32_t>(entry.name));
    if (rank < 1 || rank > kMaxDims)
      return fail(ErrorKind::Invalid, "[gguf] tensor {}; got {} dimensions, need 1 to {}", entry.name, rank, kMaxDims);
    uint64_t elements = 1;
    for (uint32_t d = 0; d < rank; ++d) {
      ASSIGN_OR_RETURN(const uint64_t dim, cursor.read<uint64_t>(entry.name));
      if (dim < 1 || dim > kMaxTensorElements / elements)
        return fail(ErrorKind::Invalid, "[gguf] tensor {}; got dimension {}, need 1 to {}", entry.name, dim,
                    kMaxTensorElements / elements);
      elements *= dim;
      entry.dims.insert(entry.dims.begin(), static_cast<int64_t>(dim));  // GGUF lists the innermost first
    }
    ASSIGN_OR_RETURN(const uint32_t type_number, cursor.read<uint32_t>(entry.name));
    const auto type = dtype_of_gguf(type_number);
    if (!type) {
      std::string known;
      for (const TypeNumber& t : kTypes) known += fmt::format("{}{}", known.empty() ? "" : ", ", to_string(t.type));
      return fail(ErrorKind::Unsupported, "[gguf] tensor {}; got type {} ({}), need one of {}", entry.name,
                  foreign_type_name(type_number), type_number, known);
    }
    entry.type = *type;
    const int64_t block = info(*type).block_elements;
    if (entry.dims.back() % block != 0)
      return fail(ErrorKind::Invalid, "[gguf] tensor {}; got rows of {} elements, need a multiple of {} for {}",
                  entry.name, entry.dims.back(), block, to_string(*type));
    entry.bytes = static_cast<uint64_t>(bytes_of(*type, static_cast<int64_t>(elements)));
    ASSIGN_OR_RETURN(entry.offset, cursor.read<uint64_t>(entry.name));
    entries.push_back(std::move(entry));
  }
  uint64_t alignment = 32;
  if (const Metadata::Value* value = metadata_.find("general.alignment")) {
    const auto* whole = std::get_if<int64_t>(value);
    if (whole == nullptr || *whole < 8 || *whole > (1 << 20) || !std::has_single_bit(static_cast<uint64_t>(*whole)))
      return fail(ErrorKind::Invalid, "[gguf] general.alignment; need a power of two from 8 to {}", 1 << 20);
    alignment = static_cast<uint64_t>(*whole);
  }
  const uint64_t data_start = (cursor.offset() + alignment - 1) / alignment * alignment;
  const uint64_t data_bytes = map_.bytes().size() > data_start ? map_.bytes().size() - data_start : 0;
  tensors_.reserve(entries.size());
  for (const Entry& entry : entries) {
    if (entry.offset % alignment != 0)
      return fail(ErrorKind::Invalid, "[gguf] tensor {}; got offset {}, need a multiple of {}", entry.name,
                  entry.offset, alignment);
    if (entry.offset > data_bytes || entry.bytes > data_bytes - entry.offset)
      return fail(ErrorKind::Invalid,
                  "[gguf] tensor {}; got bytes {} to {} of the data, need at most {}: the file is cut short",
                  entry.name, entry.offset, entry.offset + entry.bytes, data_bytes);
    if (!by_name_.emplace(entry.name, tensors_.size()).second)
      return fail(ErrorKind::Invalid, "[gguf] tensor {}; stands twice", entry.name);
    tensors_.push_back({std::string(entry.name),
                        view(map_.bytes().data() + data_start + entry.offset, entry.type, entry.dims), entry.bytes});
  }
  return {};
}

Result<> GgufFile::read_config() {
  ASSIGN_OR_RETURN(config_, read_gguf_config(metadata_));
  const WeightNames& names = find_architecture(config_.architecture)->gguf_names;
  const FileTensor* embedding = find(names.embedding);
  if (embedding == nullptr || embedding->view.rank != 2)
    return fail(ErrorKind::Invalid, "[gguf] tensor {}; got none, need a matrix", names.embedding);
  config_.vocab = embedding->view.dims[0];
  config_.tied_embedding = find(names.output) == nullptr;
  TRY(read_rope_factors());
  return check(config_);
}

Result<> GgufFile::read_rope_factors() {
  const WeightNames& names = find_architecture(config_.architecture)->gguf_names;
  const auto read = [&](std::string_view name, std::vector<float>& factors) -> Result<bool> {
    const FileTensor* tensor = find(name);
    if (tensor == nullptr) return false;
    if (tensor->view.rank != 1 || dtype_of(tensor->view) != DType::F32 || tensor->view.dims[0] > 4096)
      return fail(ErrorKind::Invalid, "[gguf] tensor {}; need a vector of f32, one for each rotated pair", name);
    factors.resize(static_cast<size_t>(tensor->view.dims[0]));
    std::memcpy(factors.data(), tensor->view.data, tensor->bytes);
    return true;
  };
  TRY(read(names.rope_factors, config_.rope_factors));
  ASSIGN_OR_RETURN(const bool has_long, read(names.rope_factors_long, config_.rope_factors));
  ASSIGN_OR_RETURN(const bool has_short, read(names.rope_factors_short, config_.rope_factors_short));
  if (has_long || has_short) config_.rope_scaling = RopeScaling::LongRope;
  return {};
}

Result<> GgufFile::read_tokenizer() {
  ConfigReader keys(metadata_, "tokenizer.ggml.");
  TokenizerSource& t = tokenizer_;
  t.model = keys.text("model", "");
  t.pre = keys.text("pre", "");
  const auto tokens = keys.texts("tokens"), merges = keys.texts("merges");
  t.tokens.assign(tokens.begin(), tokens.end());
  t.merges.assign(merges.begin(), merges.end());
  t.scores = keys.numbers("scores");
  for (const float type : keys.numbers("token_type"))
    t.types.push_back(type >= 0 && type <= 6 ? static_cast<int32_t>(type) : 0);
  const auto id = [&](std::string_view key) -> std::optional<uint32_t> {
    if (!keys.has(key)) return std::nullopt;
    const int64_t value = keys.integer(key);
    if (value == 0xFFFFFFFF || value == -1) return std::nullopt;  // how some writers say "none"
    if (value < 0 || value >= config_.vocab) {
      keys.refuse(ErrorKind::Invalid, key, fmt::format("; got {}, need a token below {}", value, config_.vocab));
      return std::nullopt;
    }
    return static_cast<uint32_t>(value);
  };
  t.bos = id("bos_token_id");
  t.eos = id("eos_token_id");
  t.eot = id("eot_token_id");
  t.unk = id("unknown_token_id");
  t.pad = id("padding_token_id");
  t.add_bos = keys.flag("add_bos_token", t.model == "llama" || t.pre == "llama-bpe" || t.pre == "llama3");
  t.add_eos = keys.flag("add_eos_token", false);
  t.add_space_prefix = keys.flag("add_space_prefix", true);
  chat_template_ = ConfigReader(metadata_, "tokenizer.").text("chat_template", "");
  if (static_cast<int64_t>(t.tokens.size()) > config_.vocab)
    keys.refuse(ErrorKind::Invalid, "tokens",
                fmt::format("; got {}, need at most the {} rows of the embedding", t.tokens.size(), config_.vocab));
  if (!t.scores.empty() && t.scores.size() != t.tokens.size())
    keys.refuse(ErrorKind::Invalid, "scores", fmt::format("; got {}, need {}", t.scores.size(), t.tokens.size()));
  if (!t.types.empty() && t.types.size() != t.tokens.size())
    keys.refuse(ErrorKind::Invalid, "token_type", fmt::format("; got {}, need {}", t.types.size(), t.tokens.size()));
  return keys.finish();
}

}  // namespace

std::optional<uint32_t> gguf_type_number(DType type) {
  for (const TypeNumber& t : kTypes)
    if (t.type == type) return t.number;
  return std::nullopt;
}

std::optional<DType> dtype_of_gguf(uint32_t number) {
  for (const TypeNumber& t : kTypes)
    if (t.number == number) return t.type;
  return std::nullopt;
}

Result<std::unique_ptr<ModelFile>> open_gguf_file(const std::filesystem::path& path) {
  auto file = std::make_unique<GgufFile>(path);
  if (auto opened = file->open(); !opened) return within(path.string(), std::move(opened).error());
  return file;
}

}  // namespace hearth::llm
