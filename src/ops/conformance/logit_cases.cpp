#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ops/conformance/cases.h"

namespace hearth::ops::conformance {
namespace {

constexpr float kNegativeInfinity = -std::numeric_limits<float>::infinity();
constexpr double kClear = 1e-4;  // a choice by mass is made at least this far from where it would change

// Logits with `masked_share` of -inf, but never a whole row of them.
std::vector<float> logits(CaseBuilder& b, int64_t m, int64_t n) {
  std::vector<float> x = b.normal_values({m, n}, b.number("deviation"));
  const double share = b.number("masked_share");
  for (size_t i = 0; i < x.size(); ++i)
    if (share > 0 && b.random().uniform() < share && i % static_cast<size_t>(n) != 0) x[i] = kNegativeInfinity;
  return x;
}

void build_distribution(CaseBuilder& b, DType output, bool per_row) {
  const int64_t m = b.size("batch_size"), n = b.size("vocab_size", 1);
  b.values("x", b.types().activation, {m, n}, logits(b, m, n));
  b.output("y", output, per_row ? std::vector<int64_t>{m} : std::vector<int64_t>{m, n});
}

void build_softmax(CaseBuilder& b) {
  build_distribution(b, b.types().activation, false);
}
void build_log_softmax(CaseBuilder& b) {
  build_distribution(b, DType::F32, false);
}
void build_entropy(CaseBuilder& b) {
  build_distribution(b, DType::F32, true);
}

void build_top_k(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), n = b.size("vocab_size", 1), k = b.size("k");
  const double levels = static_cast<double>(b.size("levels"));
  if (k > n) b.refuse("k; need at most vocab_size");
  std::vector<float> x = logits(b, m, n);
  if (levels > 0)  // few distinct values: many ties
    for (float& v : x) v = std::isinf(v) ? v : static_cast<float>(std::floor(double{v} * levels) / levels);
  b.values("x", b.types().activation, {m, n}, x);
  b.output("values", b.types().activation, {m, k});
  b.output("indices", DType::I32, {m, k});
}

void build_mask_logits(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), n = b.size("vocab_size", 1), words = (n + 31) / 32;
  b.normal("x", DType::F32, {m, n}, 3.0);
  if (b.failed()) return;
  std::vector<uint32_t> mask(static_cast<size_t>(m * words));
  for (size_t i = 0; i < mask.size(); ++i)  // bits above n are set too: they mean nothing
    mask[i] = i % 11 == 3 ? 0u : i % 7 == 2 ? ~0u : static_cast<uint32_t>(b.random().bits());
  b.raw("mask", DType::U32, {m, words}, mask.data(), mask.size() * 4);
  b.output("y", DType::F32, {m, n});
  if (b.flag("in_place")) b.in_place(0);
}

// ---- sample: rows differ in their rules; cut-offs and uniforms lie clear of every token's edge, so that a kernel in
// f32 must draw what f64 draws.

struct Rules {
  float temperature, top_p, min_p, uniform;
  int32_t top_k;
};

// Masses of the tokens that top_k and min_p keep, largest first, summing to 1.
std::vector<double> kept_masses(std::vector<double> x, const Rules& r) {
  std::erase_if(x, [](double v) { return std::isinf(v); });
  std::sort(x.begin(), x.end(), std::greater<>());
  if (r.top_k > 0 && x.size() > static_cast<size_t>(r.top_k)) x.resize(static_cast<size_t>(r.top_k));
  const double peak = x.empty() ? 0 : x.front();
  for (double& v : x) v = std::exp((v - peak) / double{r.temperature});
  std::erase_if(x, [&](double v) { return v < double{r.min_p}; });
  const double total = std::accumulate(x.begin(), x.end(), 0.0);
  for (double& v : x) v /= total;
  return x;
}

// A point of [0, 1) in the middle of the interval of a token whose mass is clear, near `wish`.
double clear_point(const std::vector<double>& masses, double total, double wish) {
  double running = 0, best = 0.5 * (masses.empty() ? 1.0 : masses.front() / total);
  for (const double mass : masses) {
    if (mass / total < kClear) break;
    best = (running + mass / 2) / total;
    running += mass;
    if (running / total > wish) break;
  }
  return best;
}

void settle(const float* row, int64_t n, Rules& r) {
  if (r.temperature <= 0) return;
  if (r.min_p > 0) {  // between two neighbouring masses
    std::vector<double> x(row, row + n);
    std::erase_if(x, [](double v) { return std::isinf(v); });
    std::sort(x.begin(), x.end(), std::greater<>());
    for (size_t i = 1; i < x.size(); ++i) {
      const double above = std::exp((x[i - 1] - x[0]) / double{r.temperature});
      const double below = std::exp((x[i] - x[0]) / double{r.temperature});
      if (below < double{r.min_p} && above - below > kClear * above) {
        r.min_p = static_cast<float>((above + below) / 2);
        break;
      }
    }
  }
  std::vector<double> masses = kept_masses({row, row + n}, r);
  double total = 1;
  if (r.top_p < 1) {
    r.top_p = static_cast<float>(clear_point(masses, 1, double{r.top_p}));
    total = 0;
    size_t kept = 0;
    while (kept < masses.size() && total < double{r.top_p}) total += masses[kept++];
    masses.resize(kept);
  }
  r.uniform = static_cast<float>(clear_point(masses, total, double{r.uniform}));
}

void build_sample(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), n = b.size("vocab_size", 1);
  std::vector<float> x = logits(b, m, n);
  if (b.failed()) return;
  const bool mixed = b.flag("mixed"), broken = b.flag("broken");
  std::vector<float> temperature, top_p, min_p, uniform;
  std::vector<int32_t> top_k;
  for (int64_t i = 0; i < m; ++i) {
    float* row = x.data() + i * n;
    Rules r{static_cast<float>(b.number("temperature")), static_cast<float>(b.number("top_p")),
            static_cast<float>(b.number("min_p")), static_cast<float>(b.random().uniform()),
            static_cast<int32_t>(b.size("top_k"))};
    if (mixed) {
      r.temperature = i % 4 == 3 ? 0.0f : 0.5f + 0.25f * static_cast<float>(i % 5);
      r.top_k = i % 3 == 1 ? static_cast<int32_t>(1 + i % 17) : 0;
      r.top_p = i % 2 == 1 ? 0.8f : 1.0f;
      r.min_p = i % 5 == 2 ? 0.05f : 0.0f;
    }
    settle(row, n, r);
    if (broken && i % 3 == 0) std::fill(row, row + n, kNegativeInfinity);
    if (broken && i % 3 == 1) row[n / 2] = std::numeric_limits<float>::quiet_NaN();
    temperature.push_back(r.temperature);
    top_k.push_back(r.top_k);
    top_p.push_back(r.top_p);
    min_p.push_back(r.min_p);
    uniform.push_back(r.uniform);
  }
  b.values("x", DType::F32, {m, n}, x);
  b.values("temperature", DType::F32, {m}, temperature);
  b.ints("top_k", top_k);
  b.values("top_p", DType::F32, {m}, top_p);
  b.values("min_p", DType::F32, {m}, min_p);
  b.values("uniform", DType::F32, {m}, uniform);
  b.output("token", DType::I32, {m});
}

const std::vector<Parameter> kDistributionDefaults = {
    {"batch_size", 3}, {"vocab_size", 64}, {"deviation", 3}, {"masked_share", 0}};
const std::vector<NamedCase> kDistributionCases = {{"single", {{"batch_size", 1}, {"vocab_size", 1}}},
                                                   {"empty", {{"batch_size", 0}}},
                                                   {"odd", {{"batch_size", 5}, {"vocab_size", 131}}},
                                                   {"large_values", {{"deviation", 1000}}},
                                                   {"masked", {{"masked_share", 0.5}, {"vocab_size", 97}}},
                                                   {"nearly_all_masked", {{"masked_share", 1}}},
                                                   {"strided", {{"row_padding", 5}}},
                                                   {"wide", {{"batch_size", 1}, {"vocab_size", 49152}}},
                                                   {"production", {{"batch_size", 2}, {"vocab_size", 32000}}}};

}  // namespace

void add_logit_cases(std::vector<OpCases>& all) {
  OpCases softmax{Op::Softmax, kActivation, kDistributionDefaults, kDistributionCases, build_softmax};
  softmax.defaults.push_back({"temperature", 1});
  softmax.cases.push_back({"hot", {{"temperature", 2.5}}});
  softmax.cases.push_back({"cold", {{"temperature", 0.05}, {"vocab_size", 101}}});
  softmax.cases.push_back({"greedy", {{"temperature", 0}, {"vocab_size", 33}}});
  all.push_back(std::move(softmax));
  all.push_back({Op::LogSoftmax, kActivation, kDistributionDefaults, kDistributionCases, build_log_softmax});
  all.push_back({Op::Entropy, kActivation, kDistributionDefaults, kDistributionCases, build_entropy});
  all.push_back(
      {Op::TopK,
       kActivation,
       {{"batch_size", 3}, {"vocab_size", 64}, {"k", 5}, {"deviation", 3}, {"masked_share", 0}, {"levels", 0}},
       {{"single", {{"batch_size", 1}, {"vocab_size", 1}, {"k", 1}}},
        {"empty", {{"batch_size", 0}}},
        {"none", {{"k", 0}}},
        {"odd", {{"batch_size", 5}, {"vocab_size", 131}, {"k", 7}}},
        {"ties", {{"levels", 2}, {"vocab_size", 300}, {"k", 40}}},
        {"all", {{"vocab_size", 97}, {"k", 97}}},
        {"masked", {{"masked_share", 0.95}, {"k", 40}}},
        {"strided", {{"row_padding", 5}}},
        {"production", {{"batch_size", 2}, {"vocab_size", 49152}, {"k", 50}}}},
       build_top_k});
  all.push_back({Op::MaskLogits,
                 0,
                 {{"batch_size", 3}, {"vocab_size", 64}, {"in_place", 0}},
                 {{"single", {{"batch_size", 1}, {"vocab_size", 1}}},
                  {"empty", {{"batch_size", 0}}},
                  {"odd", {{"batch_size", 7}, {"vocab_size", 131}}},
                  {"in_place", {{"in_place", 1}, {"vocab_size", 77}}},
                  {"strided", {{"row_padding", 5}, {"vocab_size", 70}}},
                  {"production", {{"batch_size", 4}, {"vocab_size", 49152}}}},
                 build_mask_logits});
  all.push_back({Op::Sample,
                 0,
                 {{"batch_size", 8},
                  {"vocab_size", 64},
                  {"deviation", 3},
                  {"masked_share", 0},
                  {"temperature", 1},
                  {"top_k", 0},
                  {"top_p", 1},
                  {"min_p", 0},
                  {"mixed", 0},
                  {"broken", 0}},
                 {{"single", {{"batch_size", 1}, {"vocab_size", 1}}},
                  {"empty", {{"batch_size", 0}}},
                  {"plain", {{"batch_size", 64}, {"vocab_size", 131}}},
                  {"greedy", {{"temperature", 0}}},
                  {"top_k", {{"top_k", 7}, {"batch_size", 32}}},
                  {"top_k_of_all", {{"top_k", 1000}}},
                  {"top_p", {{"top_p", 0.7}, {"batch_size", 32}}},
                  {"min_p", {{"min_p", 0.1}, {"batch_size", 32}}},
                  {"mixed", {{"mixed", 1}, {"batch_size", 60}, {"vocab_size", 257}, {"masked_share", 0.3}}},
                  {"cold", {{"temperature", 0.05}, {"batch_size", 16}}},
                  {"nearly_all_masked", {{"masked_share", 1}}},
                  {"broken_rows", {{"broken", 1}, {"batch_size", 9}}},
                  {"strided", {{"row_padding", 5}}},
                  {"wide", {{"batch_size", 4}, {"vocab_size", 49152}, {"top_p", 0.9}, {"deviation", 5}}},
                  {"production", {{"batch_size", 4}, {"vocab_size", 32000}, {"mixed", 1}, {"deviation", 4}}}},
                 build_sample});
}

}  // namespace hearth::ops::conformance
