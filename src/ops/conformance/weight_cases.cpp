#include <algorithm>
#include <cmath>

#include "ops/conformance/cases.h"

namespace hearth::ops::conformance {
namespace {

void build_matmul(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), k = b.whole_blocks(b.size("input_size", 1)), n = b.size("output_size", 1);
  const DType act = b.types().activation;
  b.normal("x", act, {m, k});
  b.normal("w", b.types().weight, {n, k}, 1.0 / std::sqrt(static_cast<double>(std::max<int64_t>(k, 1))));
  b.optional("bias", DType::F32, {n});
  b.optional("residual", act, {m, n});
  b.output("y", act, {m, n});
  b.pack(b.size("pack_sources"));
}

void build_gather_rows(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), v = b.size("vocab_size", 1), n = b.whole_blocks(b.size("hidden_size", 1));
  b.normal("table", b.types().weight, {v, n});
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < m && !b.failed(); ++i)  // first and last row of the table always occur
    ids.push_back(static_cast<int32_t>(i == 0 ? v - 1 : i == 1 ? 0 : b.random().below(v)));
  b.ints("ids", ids);
  b.output("y", b.types().activation, {m, n});
  b.pack(b.size("pack_sources"));
}

void build_convert(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), n = b.whole_blocks(b.size("hidden_size", 1));
  b.normal("x", b.types().weight, {m, n}, b.number("deviation"));
  b.output("y", b.types().cache, {m, n});
}

}  // namespace

void add_weight_cases(std::vector<OpCases>& all) {
  all.push_back(
      {Op::Matmul,
       kActivation | kWeightAxis,
       {{"batch_size", 4}, {"input_size", 64}, {"output_size", 48}, {"bias", 0}, {"residual", 0}, {"pack_sources", 1}},
       {{"single", {{"batch_size", 1}, {"input_size", 1}, {"output_size", 1}}},
        {"empty", {{"batch_size", 0}}},
        {"vector", {{"batch_size", 1}, {"input_size", 192}, {"output_size", 61}}},
        {"odd", {{"batch_size", 7}, {"input_size", 101}, {"output_size", 37}}},
        {"three_rows", {{"batch_size", 3}, {"input_size", 320}, {"output_size", 33}}},
        {"tall", {{"batch_size", 53}, {"input_size", 96}, {"output_size", 17}}},
        {"bias", {{"bias", 1}, {"output_size", 31}}},
        {"residual", {{"residual", 1}, {"batch_size", 9}}},
        {"bias_and_residual", {{"bias", 1}, {"residual", 1}, {"batch_size", 5}}},
        {"strided", {{"residual", 1}, {"row_padding", 9}, {"batch_size", 6}}},
        {"plain", {{"pack_sources", 0}, {"bias", 1}}},
        {"fused", {{"pack_sources", 3}, {"output_size", 100}, {"batch_size", 5}}},
        {"decode", {{"batch_size", 1}, {"input_size", 576}, {"output_size", 1536}}},
        {"batched_decode", {{"batch_size", 8}, {"input_size", 1536}, {"output_size", 576}, {"residual", 1}}},
        {"production", {{"batch_size", 64}, {"input_size", 576}, {"output_size", 960}}}},
       build_matmul});
  all.push_back({Op::GatherRows,
                 kActivation | kWeightAxis,
                 {{"batch_size", 5}, {"vocab_size", 19}, {"hidden_size", 64}, {"scale", 1}, {"pack_sources", 0}},
                 {{"single", {{"batch_size", 1}, {"vocab_size", 1}, {"hidden_size", 1}}},
                  {"empty", {{"batch_size", 0}}},
                  {"odd", {{"hidden_size", 67}}},
                  {"scaled", {{"scale", 25.298221}}},
                  {"packed", {{"pack_sources", 1}, {"vocab_size", 45}, {"hidden_size", 96}}},
                  {"strided", {{"row_padding", 3}}},
                  {"production", {{"batch_size", 32}, {"vocab_size", 4096}, {"hidden_size", 576}}}},
                 build_gather_rows});
  all.push_back({Op::Convert,
                 kWeightAxis | kCache,
                 {{"batch_size", 3}, {"hidden_size", 64}, {"deviation", 1}},
                 {{"single", {{"batch_size", 1}, {"hidden_size", 1}}},
                  {"empty", {{"batch_size", 0}}},
                  {"odd", {{"hidden_size", 67}}},
                  {"subnormal_halves", {{"deviation", 1e-6}}},
                  {"strided", {{"row_padding", 3}}},
                  {"production", {{"batch_size", 64}, {"hidden_size", 576}}}},
                 build_convert});
}

}  // namespace hearth::ops::conformance
