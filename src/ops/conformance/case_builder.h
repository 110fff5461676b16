// What an op's build function fills: parameters come in, tensors and attributes go out, in the order of ops.inc.
// After the first error nothing more is built and sizes read as 0.
#pragma once

#include <initializer_list>
#include <string>

#include "ops/conformance/op_case.h"
#include "ops/conformance/random.h"

namespace hearth::ops::conformance {

class CaseBuilder {
 public:
  CaseBuilder(OpCase& target, Random random) : case_(target), random_(random) {}

  double number(std::string_view name) const;
  int64_t size(std::string_view name, int64_t least = 0);  // a whole number from `least` to kMaxCaseSize
  bool flag(std::string_view name) { return size(name) != 0; }
  // `n` rounded up to whole blocks of the weight's type.
  int64_t whole_blocks(int64_t n) const;
  const CaseTypes& types() const { return case_.types; }
  Random& random() { return random_; }
  bool failed() const { return !error_.empty(); }
  const std::string& error() const { return error_; }
  void refuse(std::string text);
  bool fits(std::initializer_list<int64_t> dims);  // else refuses

  void attribute(std::string_view name, double value);
  void in_place(int input) { case_.in_place = input; }
  void pack(int64_t sources) { case_.pack_sources = static_cast<int>(sources); }

  // Float and quantised tensors, encoded row by row.
  void values(std::string name, DType type, std::vector<int64_t> dims, const std::vector<float>& values);
  void normal(std::string name, DType type, std::vector<int64_t> dims, double deviation = 1.0);
  std::vector<float> normal_values(std::initializer_list<int64_t> dims, double deviation);
  void ints(std::string name, const std::vector<int32_t>& values);
  void raw(std::string name, DType type, std::vector<int64_t> dims, const void* data, size_t bytes);
  void absent(std::string name);
  // Normal values when the flag of that name is set, else an absent input.
  void optional(std::string name, DType type, std::vector<int64_t> dims);
  void output(std::string name, DType type, std::vector<int64_t> dims);
  void in_out(std::string name, DType type, std::vector<int64_t> dims, const std::vector<float>& values);

 private:
  CaseTensor encode(std::string name, DType type, std::vector<int64_t> dims, const std::vector<float>& values);

  OpCase& case_;
  Random random_;
  std::string error_;
};

}  // namespace hearth::ops::conformance
