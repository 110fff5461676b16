// Conformance cases: named sizes for every op, inputs made from a seed, equal on every machine. The same cases feed the
// test that holds each backend against ref and the files of op_protocol_tests that carry one machine's answers to
// another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "ops/op.h"

namespace hearth::ops::conformance {

// Element types of a case. An op uses those of its axes: activations (x, q, k, v), the weight or table, the caches.
struct CaseTypes {
  DType activation = DType::F32;
  DType weight = DType::F32;
  DType cache = DType::F32;
};

enum Axis : unsigned { kActivation = 1, kWeightAxis = 2, kCache = 4 };

struct Parameter {
  std::string_view name;
  double value;
};

// Largest tensor of a case, in elements, and largest value of a size.
inline constexpr int64_t kMaxCaseElements = int64_t{1} << 28;
inline constexpr int64_t kMaxCaseSize = int64_t{1} << 24;

struct CaseTensor {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> dims;
  bool absent = false;
  bool in_out = false;           // an output with a content before the call
  int strided = 1;               // dimensions that may be strided, from the first on; the rest are its rows
  int64_t row_padding = 0;       // elements between rows, in device memory only
  std::vector<std::byte> bytes;  // row-major, dense; of an output that is not in_out: empty before the run
};

struct OpCase {
  const OpInfo* op = nullptr;
  std::string name;
  uint64_t seed = 0;
  CaseTypes types;
  std::vector<std::pair<std::string, double>> parameters;  // as used, all of them
  std::vector<double> attributes;                          // in the order of op->attributes
  std::vector<CaseTensor> inputs, outputs;
  int in_place = -1;     // input whose memory the first output shares
  int pack_sources = 0;  // > 0: the weight goes through Device::pack, cut in this many stacked matrices
};

class CaseBuilder;

struct NamedCase {
  std::string_view name;
  std::vector<Parameter> values;  // what differs from the op's defaults
};

struct OpCases {
  Op op;
  unsigned axes;                    // of Axis
  std::vector<Parameter> defaults;  // every parameter of the op; names of attributes set these
  std::vector<NamedCase> cases;     // one is called "production"
  void (*build)(CaseBuilder&);
};

// The cases of an op; every op of the inventory has some.
const OpCases& cases_of(Op op);

// `overrides` replace parameters by name. Unknown names, sizes out of range and combinations that break the op's
// contract are errors of kind Usage.
Result<OpCase> make_case(const OpInfo& op, std::string_view case_name, const CaseTypes& types,
                         std::span<const std::pair<std::string, double>> overrides = {}, uint64_t seed = 1);

// Rows of a tensor and the elements of one; of rank 1 there is one row.
struct RowsOf {
  int64_t rows, columns;
};
RowsOf rows_of(const CaseTensor& t);

// Elements of `dims`, or -1 when one is negative or they are more than kMaxCaseElements.
int64_t checked_count(std::span<const int64_t> dims);

}  // namespace hearth::ops::conformance
