#include "ops/conformance/case_builder.h"

#include <cmath>
#include <cstring>

#include "tensor/quant_blocks.h"

namespace hearth::ops::conformance {

double CaseBuilder::number(std::string_view name) const {
  for (const auto& [key, value] : case_.parameters)
    if (key == name) return value;
  CHECK(!"a parameter of the op's defaults");
  return 0;
}

int64_t CaseBuilder::size(std::string_view name, int64_t least) {
  const double value = number(name);
  if (value != std::floor(value) || value < static_cast<double>(least) || value > static_cast<double>(kMaxCaseSize)) {
    refuse(fmt::format("{}; got {}, need a whole number from {} to {}", name, value, least, kMaxCaseSize));
    return 0;
  }
  return failed() ? 0 : static_cast<int64_t>(value);
}

int64_t CaseBuilder::whole_blocks(int64_t n) const {
  const int64_t block = hearth::info(case_.types.weight).block_elements;
  return (n + block - 1) / block * block;
}

void CaseBuilder::refuse(std::string text) {
  if (error_.empty()) error_ = std::move(text);
}

bool CaseBuilder::fits(std::initializer_list<int64_t> dims) {
  if (checked_count(std::span(dims.begin(), dims.size())) < 0)
    refuse(fmt::format("a tensor; got more elements than {}", kMaxCaseElements));
  return !failed();
}

void CaseBuilder::attribute(std::string_view name, double value) {
  for (size_t i = 0; i < case_.op->attributes.size(); ++i)
    if (case_.op->attributes[i].name == name) {
      case_.attributes[i] = value;
      return;
    }
  CHECK(!"an attribute of the op");
}

CaseTensor CaseBuilder::encode(std::string name, DType type, std::vector<int64_t> dims,
                               const std::vector<float>& values) {
  CaseTensor t{.name = std::move(name), .dtype = type, .dims = std::move(dims)};
  const int64_t count = failed() ? 0 : checked_count(t.dims);
  if (count < 0) refuse(fmt::format("{}; got more elements than {}", t.name, kMaxCaseElements));
  if (failed()) return t;
  CHECK(static_cast<size_t>(count) == values.size());
  t.bytes.resize(static_cast<size_t>(bytes_of(type, count)));
  if (count > 0) quantise_row(type, values.data(), t.bytes.data(), count);
  return t;
}

void CaseBuilder::values(std::string name, DType type, std::vector<int64_t> dims, const std::vector<float>& values) {
  case_.inputs.push_back(encode(std::move(name), type, std::move(dims), values));
}

std::vector<float> CaseBuilder::normal_values(std::initializer_list<int64_t> dims, double deviation) {
  if (!fits(dims)) return {};
  std::vector<float> values(static_cast<size_t>(checked_count(std::span(dims.begin(), dims.size()))));
  for (float& v : values) v = static_cast<float>(random_.normal() * deviation);
  return values;
}

void CaseBuilder::normal(std::string name, DType type, std::vector<int64_t> dims, double deviation) {
  const int64_t count = checked_count(dims);
  const auto all = normal_values({count}, deviation);
  values(std::move(name), type, std::move(dims), all);
}

void CaseBuilder::raw(std::string name, DType type, std::vector<int64_t> dims, const void* data, size_t bytes) {
  CaseTensor t{.name = std::move(name), .dtype = type, .dims = std::move(dims)};
  t.bytes.resize(bytes);
  if (bytes > 0) std::memcpy(t.bytes.data(), data, bytes);
  case_.inputs.push_back(std::move(t));
}

void CaseBuilder::ints(std::string name, const std::vector<int32_t>& values) {
  raw(std::move(name), DType::I32, {static_cast<int64_t>(values.size())}, values.data(), values.size() * 4);
}

void CaseBuilder::absent(std::string name) {
  case_.inputs.push_back({.name = std::move(name), .absent = true});
}

void CaseBuilder::optional(std::string name, DType type, std::vector<int64_t> dims) {
  if (flag(name))
    normal(std::move(name), type, std::move(dims));
  else
    absent(std::move(name));
}

void CaseBuilder::output(std::string name, DType type, std::vector<int64_t> dims) {
  if (checked_count(dims) < 0) refuse(fmt::format("{}; got more elements than {}", name, kMaxCaseElements));
  case_.outputs.push_back({.name = std::move(name), .dtype = type, .dims = std::move(dims)});
}

void CaseBuilder::in_out(std::string name, DType type, std::vector<int64_t> dims, const std::vector<float>& values) {
  case_.outputs.push_back(encode(std::move(name), type, std::move(dims), values));
  case_.outputs.back().in_out = true;
}

}  // namespace hearth::ops::conformance
