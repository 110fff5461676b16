#include "ops/conformance/artifact.h"

#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/file.h"

namespace hearth::ops::conformance {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "the files are little-endian");

constexpr std::string_view kFormat = "hearth-op-protocol-1";
constexpr size_t kMaxMetaBytes = size_t{1} << 20;
constexpr int64_t kMaxPackSources = 64;

// ---- writing

Result<> write_bytes(const fs::path& path, const std::vector<std::byte>& bytes) {
  return write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

json describe(const CaseTensor& t) {
  if (t.absent) return {{"name", t.name}, {"absent", true}};
  return {{"name", t.name}, {"dtype", to_string(t.dtype)}, {"shape", t.dims}};
}

Result<> write_tensor(const fs::path& directory, const CaseTensor& t, std::string_view kind, json& entry) {
  entry = describe(t);
  if (t.absent) return {};
  const std::string file = fmt::format("{}_{}.bin", kind, t.name);
  entry["file"] = file;
  return write_bytes(directory / file, t.bytes);
}

// ---- reading

class Reader {
 public:
  explicit Reader(fs::path directory) : directory_(std::move(directory)) {}

  Result<Artifact> read() {
    ASSIGN_OR_RETURN(const std::string text, read_file(directory_ / "meta.json", kMaxMetaBytes));
    meta_ = json::parse(text, nullptr, false);
    if (!meta_.is_object()) return bad("the file; got no JSON object");
    ASSIGN_OR_RETURN(const std::string format, text_of(meta_, "format"));
    if (format != kFormat) return bad(fmt::format("format; got \"{}\", need \"{}\"", format, kFormat));
    Artifact a;
    TRY(read_head(a));
    TRY(read_attributes(a.op_case));
    TRY(read_tensors(a));
    TRY(check_placement(a.op_case));
    return a;
  }

 private:
  std::unexpected<Error> bad(std::string_view what) const {
    return fail(ErrorKind::Invalid, "[{}] {}", (directory_ / "meta.json").string(), what);
  }

  Result<std::string> text_of(const json& object, const char* key) const {
    const auto it = object.find(key);
    if (it == object.end() || !it->is_string()) return bad(fmt::format("\"{}\"; need a text", key));
    return it->get<std::string>();
  }
  Result<double> number_of(const json& object, const char* key) const {
    const auto it = object.find(key);
    if (it == object.end() || !it->is_number() || !std::isfinite(it->get<double>()))
      return bad(fmt::format("\"{}\"; need a number", key));
    return it->get<double>();
  }
  Result<int64_t> whole_of(const json& object, const char* key, int64_t low, int64_t high) const {
    ASSIGN_OR_RETURN(const double value, number_of(object, key));
    if (value != std::floor(value) || value < static_cast<double>(low) || value > static_cast<double>(high))
      return bad(fmt::format("\"{}\"; got {}, need a whole number from {} to {}", key, value, low, high));
    return static_cast<int64_t>(value);
  }
  Result<DType> dtype_named(const json& object, const char* key) const {
    ASSIGN_OR_RETURN(const std::string text, text_of(object, key));
    const auto type = parse_dtype(text);
    if (!type) return bad(fmt::format("\"{}\"; got \"{}\", which is no element type", key, text));
    return *type;
  }

  Result<> read_head(Artifact& a) {
    ASSIGN_OR_RETURN(const std::string op, text_of(meta_, "op"));
    a.op_case.op = find_op(op);
    if (a.op_case.op == nullptr) return bad(fmt::format("\"op\"; got \"{}\", which the inventory lacks", op));
    ASSIGN_OR_RETURN(a.op_case.name, text_of(meta_, "case"));
    ASSIGN_OR_RETURN(a.op_case.types.activation, dtype_named(meta_, "dtype"));
    ASSIGN_OR_RETURN(a.op_case.types.weight, dtype_named(meta_, "weight_dtype"));
    ASSIGN_OR_RETURN(a.op_case.types.cache, dtype_named(meta_, "cache_dtype"));
    ASSIGN_OR_RETURN(a.tolerance, number_of(meta_, "tolerance"));
    if (a.tolerance < 0) return bad("\"tolerance\"; need 0 or more");
    ASSIGN_OR_RETURN(a.backend, text_of(meta_, "backend"));
    ASSIGN_OR_RETURN(a.isa, text_of(meta_, "isa"));
    ASSIGN_OR_RETURN(a.kernel, text_of(meta_, "kernel"));
    ASSIGN_OR_RETURN(a.version, text_of(meta_, "version"));
    ASSIGN_OR_RETURN(const int64_t in_place, whole_of(meta_, "in_place", -1, HEARTH_MAX_INPUTS - 1));
    a.op_case.in_place = static_cast<int>(in_place);
    ASSIGN_OR_RETURN(const int64_t sources, whole_of(meta_, "pack_sources", 0, kMaxPackSources));
    if (sources > 0 && a.op_case.op->op != Op::Matmul && a.op_case.op->op != Op::GatherRows)
      return bad("\"pack_sources\"; only the weights of matmul and gather_rows are packed");
    a.op_case.pack_sources = static_cast<int>(sources);
    ASSIGN_OR_RETURN(row_padding_, whole_of(meta_, "row_padding", 0, kMaxCaseSize));
    return {};
  }

  Result<> read_attributes(OpCase& c) {
    const auto it = meta_.find("attributes");
    if (it == meta_.end() || !it->is_object() || it->size() != c.op->attributes.size())
      return bad(fmt::format("\"attributes\"; need the {} of {}", c.op->attributes.size(), c.op->name));
    for (const AttributeInfo& a : c.op->attributes) {
      const std::string name(a.name);
      if (a.is_float) {
        ASSIGN_OR_RETURN(const double value, number_of(*it, name.c_str()));
        if (std::fabs(value) > 3e38) return bad(fmt::format("\"{}\"; got {}, need a 32-bit float", name, value));
        c.attributes.push_back(value);
      } else {
        ASSIGN_OR_RETURN(const int64_t value, whole_of(*it, name.c_str(), INT32_MIN, INT32_MAX));
        c.attributes.push_back(static_cast<double>(value));
      }
    }
    return {};
  }

  Result<> read_tensors(Artifact& a) {
    const OpInfo& op = *a.op_case.op;
    ASSIGN_OR_RETURN(const json* inputs, list("inputs", op.inputs.size()));
    for (size_t i = 0; i < op.inputs.size(); ++i) {
      ASSIGN_OR_RETURN(CaseTensor t, tensor((*inputs)[i], op.inputs[i], "file"));
      a.op_case.inputs.push_back(std::move(t));
    }
    ASSIGN_OR_RETURN(const json* outputs, list("outputs", op.outputs.size()));
    for (size_t i = 0; i < op.outputs.size(); ++i) {
      const TensorInfo& wanted = op.outputs[i];
      ASSIGN_OR_RETURN(CaseTensor answer, tensor((*outputs)[i], wanted, "file"));
      CaseTensor before = answer;
      before.bytes.clear();
      if (wanted.in_out) {
        ASSIGN_OR_RETURN(before, tensor((*outputs)[i], wanted, "before"));
        before.in_out = true;
      }
      a.op_case.outputs.push_back(std::move(before));
      a.outputs.push_back(std::move(answer));
    }
    return {};
  }

  Result<const json*> list(const char* key, size_t count) const {
    const auto it = meta_.find(key);
    if (it == meta_.end() || !it->is_array() || it->size() != count)
      return bad(fmt::format("\"{}\"; need a list of {} tensors", key, count));
    return &*it;
  }

  Result<CaseTensor> tensor(const json& entry, const TensorInfo& wanted, const char* file_key) const {
    if (!entry.is_object()) return bad(fmt::format("tensor {}; need an object", wanted.name));
    ASSIGN_OR_RETURN(const std::string name, text_of(entry, "name"));
    if (name != wanted.name) return bad(fmt::format("tensor; got \"{}\", need \"{}\"", name, wanted.name));
    CaseTensor t{.name = name, .strided = strided_dims(wanted.dims)};
    if (entry.contains("absent")) {
      if (!wanted.optional) return bad(fmt::format("tensor {}; it is absent, but required", name));
      t.absent = true;
      return t;
    }
    ASSIGN_OR_RETURN(t.dtype, dtype_named(entry, "dtype"));
    if (wanted.types != kSame0 && (wanted.types & bit(t.dtype)) == 0)
      return bad(fmt::format("tensor {}; got type {}, which the op does not take", name, to_string(t.dtype)));
    if (wanted.types == kSame0 && (kAct & bit(t.dtype)) == 0)
      return bad(fmt::format("tensor {}; got type {}, which no op gives", name, to_string(t.dtype)));
    TRY(read_shape(entry, t));
    if (t.dims.size() >= 2 && t.strided > 0 && !is_quantised(t.dtype)) t.row_padding = row_padding_;
    return read_bytes(entry, t, file_key);
  }

  Result<> read_shape(const json& entry, CaseTensor& t) const {
    const auto shape = entry.find("shape");
    if (shape == entry.end() || !shape->is_array() || shape->empty() || shape->size() > HEARTH_MAX_RANK)
      return bad(fmt::format("shape of {}; need a list of 1 to {} sizes", t.name, HEARTH_MAX_RANK));
    for (const json& size : *shape) {
      if (!size.is_number_unsigned() || size.get<uint64_t>() > static_cast<uint64_t>(kMaxCaseElements))
        return bad(fmt::format("shape of {}; need whole numbers up to {}", t.name, kMaxCaseElements));
      t.dims.push_back(size.get<int64_t>());
    }
    const int64_t count = checked_count(t.dims);
    if (count < 0) return bad(fmt::format("shape of {}; need at most {} elements", t.name, kMaxCaseElements));
    if (t.dims.back() % hearth::info(t.dtype).block_elements != 0)
      return bad(fmt::format("shape of {}; rows of {} are no whole blocks", t.name, to_string(t.dtype)));
    const RowsOf r = rows_of(t);
    if (r.rows > 0 && checked_count(std::vector<int64_t>{r.rows, r.columns + row_padding_}) < 0)
      return bad(fmt::format("row_padding; with it {} has more than {} elements", t.name, kMaxCaseElements));
    return {};
  }

  Result<CaseTensor> read_bytes(const json& entry, CaseTensor t, const char* file_key) const {
    ASSIGN_OR_RETURN(const std::string file, text_of(entry, file_key));
    if (file.empty() || file.front() == '.' || file.find('/') != std::string::npos ||
        file.find('\0') != std::string::npos)
      return bad(fmt::format("file of {}; need a plain file name", t.name));
    const size_t need = static_cast<size_t>(bytes_of(t.dtype, checked_count(t.dims)));
    ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::open(directory_ / file));
    if (mapped.bytes().size() != need)
      return fail(ErrorKind::Invalid, "[{}] size; got {} bytes, need {} (tensor {})", (directory_ / file).string(),
                  mapped.bytes().size(), need, t.name);
    t.bytes.assign(mapped.bytes().begin(), mapped.bytes().end());
    return t;
  }

  Result<> check_placement(const OpCase& c) const {
    if (c.in_place < 0) return {};
    const bool known = static_cast<size_t>(c.in_place) < c.inputs.size();
    if (!known || c.outputs[0].in_out || c.inputs[static_cast<size_t>(c.in_place)].absent ||
        c.inputs[static_cast<size_t>(c.in_place)].dims != c.outputs[0].dims ||
        c.inputs[static_cast<size_t>(c.in_place)].dtype != c.outputs[0].dtype)
      return bad("\"in_place\"; need an input of the output's type and shape");
    return {};
  }

  fs::path directory_;
  json meta_;
  int64_t row_padding_ = 0;
};

}  // namespace

Result<> write_artifact(const fs::path& directory, const Artifact& a) {
  const OpCase& c = a.op_case;
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return fail(ErrorKind::Io, "[{}] create the folder; {}", directory.string(), error.message());
  fs::remove(directory / "meta.json", error);  // an older artifact ends here
  json inputs = json::array(), outputs = json::array(), attributes = json::object(), parameters = json::object();
  for (const CaseTensor& t : c.inputs) TRY(write_tensor(directory, t, "input", inputs.emplace_back()));
  for (size_t i = 0; i < a.outputs.size(); ++i) {
    json& entry = outputs.emplace_back();
    TRY(write_tensor(directory, a.outputs[i], "output", entry));
    if (!c.outputs[i].in_out) continue;
    json before;
    TRY(write_tensor(directory, c.outputs[i], "before", before));
    entry["before"] = before["file"];
  }
  for (size_t i = 0; i < c.attributes.size(); ++i) attributes[std::string(c.op->attributes[i].name)] = c.attributes[i];
  double row_padding = 0;
  for (const auto& [name, value] : c.parameters) {
    parameters[name] = value;
    if (name == "row_padding") row_padding = value;
  }
  const json meta = {{"format", kFormat},
                     {"version", a.version},
                     {"op", c.op->name},
                     {"case", c.name},
                     {"seed", c.seed},
                     {"dtype", to_string(c.types.activation)},
                     {"weight_dtype", to_string(c.types.weight)},
                     {"cache_dtype", to_string(c.types.cache)},
                     {"tolerance", a.tolerance},
                     {"backend", a.backend},
                     {"isa", a.isa},
                     {"kernel", a.kernel},
                     {"parameters", parameters},
                     {"attributes", attributes},
                     {"row_padding", row_padding},
                     {"in_place", c.in_place},
                     {"pack_sources", c.pack_sources},
                     {"inputs", inputs},
                     {"outputs", outputs}};
  return write_file(directory / "meta.json", meta.dump(1) + "\n");
}

Result<Artifact> read_artifact(const fs::path& directory) {
  return Reader(directory).read();
}

}  // namespace hearth::ops::conformance
