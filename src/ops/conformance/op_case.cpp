#include "ops/conformance/op_case.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/nearest_word.h"
#include "ops/conformance/case_builder.h"
#include "ops/conformance/cases.h"

namespace hearth::ops::conformance {
namespace {

// FNV-1a: op and case name are part of what the inputs are made from.
uint64_t mix(uint64_t hash, std::string_view text) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

// Parameters that every op has.
const std::vector<Parameter> kCommon = {{"row_padding", 0}};

Result<const NamedCase*> find_case(const OpInfo& op, const OpCases& cases, std::string_view name) {
  std::vector<std::string_view> names;
  for (const NamedCase& one : cases.cases) {
    if (one.name == name) return &one;
    names.push_back(one.name);
  }
  return fail(ErrorKind::Usage, "[{}] case; got \"{}\", need one of {}", op.name, name, fmt::join(names, ", "));
}

bool set(std::vector<std::pair<std::string, double>>& parameters, std::string_view name, double value) {
  for (auto& [key, current] : parameters)
    if (key == name) {
      current = value;
      return true;
    }
  return false;
}

Result<> check_types(const OpInfo& op, const CaseTypes& types, unsigned axes) {
  const auto allowed = [&](std::string_view what, DType type, TypeSet set) -> Result<> {
    if ((set & bit(type)) == 0)
      return fail(ErrorKind::Usage, "[{}] {} type; got {}, need a float{} type", op.name, what, to_string(type),
                  set == kWeight ? " or block-quantised" : "");
    return {};
  };
  if ((axes & kActivation) != 0) TRY(allowed("activation", types.activation, kAct));
  if ((axes & kWeightAxis) != 0) TRY(allowed("weight", types.weight, kWeight));
  if ((axes & kCache) != 0) TRY(allowed("cache", types.cache, kKv));
  return {};
}

}  // namespace

int64_t checked_count(std::span<const int64_t> dims) {
  int64_t count = 1;
  for (const int64_t d : dims) {
    if (d < 0 || d > kMaxCaseElements) return -1;
    count *= d;  // below 2^56
    if (count > kMaxCaseElements) return -1;
  }
  return count;
}

RowsOf rows_of(const CaseTensor& t) {
  const size_t strided = t.dims.size() == 1 ? 0 : static_cast<size_t>(t.strided);
  RowsOf r{1, 1};
  for (size_t i = 0; i < t.dims.size(); ++i) {
    (i < strided ? r.rows : r.columns) *= t.dims[i];
    if (t.dims[i] == 0) return i < strided ? RowsOf{0, 0} : r;  // what comes behind a 0 may be of any size
  }
  return r;
}

const OpCases& cases_of(Op op) {
  static const std::vector<OpCases> table = [] {
    std::vector<OpCases> all;
    add_row_cases(all);
    add_weight_cases(all);
    add_attention_cases(all);
    add_logit_cases(all);
    add_product_cases(all);
    add_image_cases(all);
    add_pointwise_cases(all);
    std::sort(all.begin(), all.end(), [](const OpCases& a, const OpCases& b) { return a.op < b.op; });
    CHECK(all.size() == inventory().size());
    for (size_t i = 0; i < all.size(); ++i) CHECK(static_cast<size_t>(all[i].op) == i);
    return all;
  }();
  return table[static_cast<size_t>(op)];
}

Result<OpCase> make_case(const OpInfo& op, std::string_view case_name, const CaseTypes& types,
                         std::span<const std::pair<std::string, double>> overrides, uint64_t seed) {
  const OpCases& cases = cases_of(op.op);
  ASSIGN_OR_RETURN(const NamedCase* named, find_case(op, cases, case_name));
  TRY(check_types(op, types, cases.axes));
  OpCase made{.op = &op, .name = std::string(case_name), .seed = seed, .types = types};
  for (const auto* list : {&kCommon, &cases.defaults})
    for (const Parameter& p : *list) made.parameters.emplace_back(p.name, p.value);
  for (const Parameter& p : named->values) CHECK(set(made.parameters, p.name, p.value));
  for (const auto& [name, value] : overrides)
    if (!set(made.parameters, name, value)) {
      std::vector<std::string_view> known;
      for (const auto& [key, unused] : made.parameters) known.push_back(key);
      return fail(ErrorKind::Usage, "[{}] parameter; got \"{}\", need one of {}{}", op.name, name,
                  fmt::join(known, ", "), suggestion(name, known));
    }
  for (const AttributeInfo& a : op.attributes) made.attributes.push_back(a.value);
  CaseBuilder builder(made, Random(mix(mix(seed, op.name), case_name)));
  const int64_t row_padding = builder.size("row_padding");
  for (size_t i = 0; i < op.attributes.size(); ++i)
    for (const auto& [name, value] : made.parameters)
      if (name == op.attributes[i].name) made.attributes[i] = value;
  if (!builder.failed()) cases.build(builder);
  if (builder.failed()) return fail(ErrorKind::Usage, "[{}] {}", op.name, builder.error());
  CHECK(made.inputs.size() == op.inputs.size() && made.outputs.size() == op.outputs.size());
  for (const auto& [tensors, infos] : {std::pair{&made.inputs, op.inputs}, std::pair{&made.outputs, op.outputs}})
    for (size_t i = 0; i < tensors->size(); ++i) {
      CaseTensor& t = (*tensors)[i];
      t.strided = strided_dims(infos[i].dims);
      if (t.dims.size() < 2 || t.strided == 0 || is_quantised(t.dtype)) continue;
      const RowsOf r = rows_of(t);
      if (r.rows > 0 && checked_count(std::vector<int64_t>{r.rows, r.columns + row_padding}) < 0)
        return fail(ErrorKind::Usage, "[{}] row_padding; with it {} has more elements than {}", op.name, t.name,
                    kMaxCaseElements);
      t.row_padding = row_padding;
    }
  return made;
}

}  // namespace hearth::ops::conformance
