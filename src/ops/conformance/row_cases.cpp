#include "ops/conformance/cases.h"

namespace hearth::ops::conformance {
namespace {

void build_rms_norm(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), h = b.size("heads"), n = b.size("hidden_size", 1);
  const std::vector<int64_t> rows = h == 0 ? std::vector{m, n} : std::vector{m, h, n};
  b.normal("x", b.types().activation, rows, b.number("deviation"));
  b.normal("w", DType::F32, {n});
  b.output("y", b.types().activation, rows);
  if (b.flag("in_place")) b.in_place(0);
}

void build_gated(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), n = b.size("hidden_size");
  b.normal("x", b.types().activation, {m, 2 * n}, b.number("deviation"));
  b.output("y", b.types().activation, {m, n});
}

void build_add(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), n = b.size("hidden_size");
  b.normal("x", b.types().activation, {m, n}, 3.0);
  b.normal("z", b.types().activation, {m, n});
  b.output("y", b.types().activation, {m, n});
  if (b.flag("in_place")) b.in_place(0);
}

void build_softcap(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), n = b.size("vocab_size");
  b.normal("x", b.types().activation, {m, n}, b.number("deviation"));
  b.output("y", b.types().activation, {m, n});
  if (b.flag("in_place")) b.in_place(0);
}

const std::vector<NamedCase> kGatedCases = {
    {"single", {{"batch_size", 1}, {"hidden_size", 1}}},
    {"empty", {{"batch_size", 0}}},
    {"odd", {{"batch_size", 5}, {"hidden_size", 67}}},
    {"large_values", {{"deviation", 60}}},  // where exp overflows f32 if taken the wrong way round
    {"strided", {{"row_padding", 7}}},
    {"decode", {{"batch_size", 1}, {"hidden_size", 1536}}},
    {"production", {{"batch_size", 64}, {"hidden_size", 1536}}}};

}  // namespace

void add_row_cases(std::vector<OpCases>& all) {
  all.push_back({Op::RmsNorm,
                 kActivation,
                 {{"batch_size", 3},
                  {"heads", 0},  // 0: x has no such dimension
                  {"hidden_size", 64},
                  {"deviation", 1},
                  {"eps", 1e-5},
                  {"weight_offset", 0},
                  {"in_place", 0}},
                 {{"single", {{"batch_size", 1}, {"hidden_size", 1}}},
                  {"empty", {{"batch_size", 0}}},
                  {"odd", {{"batch_size", 7}, {"hidden_size", 131}}},
                  {"offset", {{"weight_offset", 1}, {"eps", 1e-6}}},
                  {"tiny_values", {{"deviation", 1e-4}}},  // eps decides
                  {"strided", {{"row_padding", 5}, {"hidden_size", 33}}},
                  {"heads", {{"batch_size", 5}, {"heads", 3}, {"hidden_size", 48}, {"row_padding", 64}}},
                  {"in_place", {{"batch_size", 70}, {"heads", 9}, {"hidden_size", 33}, {"in_place", 1}}},
                  {"decode", {{"batch_size", 1}, {"hidden_size", 576}}},
                  {"production", {{"batch_size", 64}, {"hidden_size", 4096}}}},
                 build_rms_norm});
  for (const Op op : {Op::GatedSilu, Op::GatedGelu})
    all.push_back(
        {op, kActivation, {{"batch_size", 3}, {"hidden_size", 64}, {"deviation", 2}}, kGatedCases, build_gated});
  all.push_back({Op::Add,
                 kActivation,
                 {{"batch_size", 3}, {"hidden_size", 64}, {"in_place", 0}},
                 {{"single", {{"batch_size", 1}, {"hidden_size", 1}}},
                  {"empty", {{"batch_size", 0}}},
                  {"odd", {{"batch_size", 5}, {"hidden_size", 67}}},
                  {"in_place", {{"in_place", 1}, {"hidden_size", 101}}},
                  {"strided", {{"row_padding", 3}}},
                  {"production", {{"batch_size", 64}, {"hidden_size", 576}}}},
                 build_add});
  all.push_back({Op::Softcap,
                 kActivation,
                 {{"batch_size", 3}, {"vocab_size", 64}, {"deviation", 30}, {"cap", 30}, {"in_place", 0}},
                 {{"single", {{"batch_size", 1}, {"vocab_size", 1}}},
                  {"empty", {{"batch_size", 0}}},
                  {"odd", {{"batch_size", 5}, {"vocab_size", 67}}},
                  {"saturated", {{"deviation", 1e4}}},
                  {"small_values", {{"deviation", 1e-3}}},
                  {"in_place", {{"in_place", 1}, {"vocab_size", 101}}},
                  {"strided", {{"row_padding", 3}}},
                  {"production", {{"batch_size", 2}, {"vocab_size", 32000}}}},
                 build_softcap});
}

}  // namespace hearth::ops::conformance
