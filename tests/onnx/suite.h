// The operator specification's own test suite: model.onnx with test_data_set_*/input_N.pb and output_N.pb.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/session.h"

namespace hearth::onnx_suite {

struct Case {
  std::string kind;  // node, simple, pytorch-operator, pytorch-converted, light
  std::string name;
  std::filesystem::path folder;
};

// All cases below a suite's data folder, sorted. `kinds` that are absent are an error: the data is incomplete.
Result<std::vector<Case>> find_cases(const std::filesystem::path& data);

enum class Verdict { Pass, Skip, Fail };
struct Outcome {
  Verdict verdict = Verdict::Fail;
  std::string reason;  // why skipped; what failed
};

// Runs every data set of the case at one level and compares at the suite's tolerance (rtol 1e-3, atol 1e-7 unless its
// data.json says otherwise; types and shapes exactly).
Outcome run_case(const Case& test, runtime::OptLevel level);

// Why a case is not run; "" when it is. Random values, formats nobody should decode here.
std::string_view skip_reason(const Case& test);

}  // namespace hearth::onnx_suite
