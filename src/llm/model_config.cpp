#include "llm/model_config.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hearth::llm {
namespace {

// Far above every published model; a file beyond them is broken or hostile, and products of them stay inside int64.
constexpr int64_t kMaxVocab = int64_t{1} << 22;
constexpr int64_t kMaxHidden = int64_t{1} << 17;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxHeads = 4096;
constexpr int64_t kMaxHeadDim = 4096;
constexpr int64_t kMaxFeedForward = int64_t{1} << 20;
constexpr int64_t kMaxContext = int64_t{1} << 30;

Result<> in_range(std::string_view what, int64_t value, int64_t low, int64_t high) {
  if (value < low || value > high)
    return fail(ErrorKind::Invalid, "[config] {}; got {}, need {} to {}", what, value, low, high);
  return {};
}

Result<> positive(std::string_view what, double value) {
  if (!std::isfinite(value) || value <= 0)
    return fail(ErrorKind::Invalid, "[config] {}; got {}, need a positive number", what, value);
  return {};
}

Result<> not_negative(std::string_view what, double value) {
  if (!std::isfinite(value) || value < 0)
    return fail(ErrorKind::Invalid, "[config] {}; got {}, need 0 or a positive number", what, value);
  return {};
}

Result<> check_factors(std::string_view what, const std::vector<float>& factors, int64_t pairs) {
  if (factors.empty()) return {};
  if (static_cast<int64_t>(factors.size()) != pairs)
    return fail(ErrorKind::Invalid, "[config] {}; got {} values, need {}", what, factors.size(), pairs);
  for (const float factor : factors) TRY(positive(what, factor));
  return {};
}

}  // namespace

Result<> check(const ModelConfig& c) {
  TRY(in_range("vocabulary size", c.vocab, 1, kMaxVocab));
  TRY(in_range("hidden size", c.hidden, 1, kMaxHidden));
  TRY(in_range("layer count", c.layers, 1, kMaxLayers));
  TRY(in_range("head count", c.heads, 1, kMaxHeads));
  TRY(in_range("key-value head count", c.kv_heads, 1, c.heads));
  TRY(in_range("head size", c.head_dim, 1, kMaxHeadDim));
  TRY(in_range("feed-forward size", c.ffn, 1, kMaxFeedForward));
  TRY(in_range("context length", c.context_length, 1, kMaxContext));
  TRY(in_range("rotary dimensions", c.rope_dims, 2, c.head_dim));
  TRY(in_range("sliding window", c.sliding_window, 0, kMaxContext));
  TRY(in_range("sliding pattern", c.sliding_pattern, 0, kMaxLayers));
  TRY(in_range("original context of rope scaling", c.rope_original_context, 0, kMaxContext));
  if (c.heads % c.kv_heads != 0)
    return fail(ErrorKind::Invalid, "[config] head count; got {}, need a multiple of the {} key-value heads", c.heads,
                c.kv_heads);
  if (c.rope_dims % 2 != 0)
    return fail(ErrorKind::Invalid, "[config] rotary dimensions; got {}, need an even number", c.rope_dims);
  TRY(positive("norm epsilon", c.norm_eps));
  TRY(positive("rope theta", c.rope_theta));
  TRY(not_negative("local rope theta", c.rope_theta_local));
  TRY(positive("rope scaling factor", c.rope_factor));
  TRY(positive("rope low frequency factor", c.rope_low_freq_factor));
  TRY(positive("rope high frequency factor", c.rope_high_freq_factor));
  TRY(positive("rope beta_fast", c.rope_beta_fast));
  TRY(positive("rope beta_slow", c.rope_beta_slow));
  TRY(positive("rope attention factor", c.rope_attention_factor));
  TRY(not_negative("attention scale", c.attention_scale));
  TRY(not_negative("attention softcap", c.attention_softcap));
  TRY(not_negative("final softcap", c.final_softcap));
  TRY(positive("embedding scale", c.embedding_scale));
  TRY(check_factors("rope factors", c.rope_factors, c.rope_dims / 2));
  TRY(check_factors("short rope factors", c.rope_factors_short, c.rope_dims / 2));
  const bool needs_original = c.rope_scaling == RopeScaling::Llama3 || c.rope_scaling == RopeScaling::Yarn ||
                              c.rope_scaling == RopeScaling::LongRope;
  if (needs_original && c.rope_original_context == 0)
    return fail(ErrorKind::Invalid, "[config] rope scaling; got no original context length, need one");
  if (c.rope_scaling == RopeScaling::Llama3 && c.rope_high_freq_factor <= c.rope_low_freq_factor)
    return fail(ErrorKind::Invalid, "[config] rope high frequency factor; got {}, need more than the low one, {}",
                c.rope_high_freq_factor, c.rope_low_freq_factor);
  if (c.rope_scaling == RopeScaling::LongRope && (c.rope_factors.empty() || c.rope_factors_short.empty()))
    return fail(ErrorKind::Invalid, "[config] longrope scaling; got no factors, need short and long ones");
  return {};
}

std::vector<float> inverse_frequencies(const ModelConfig& c, bool sliding_layer, int64_t context) {
  const bool local = sliding_layer && c.rope_theta_local > 0;
  const double theta = local ? c.rope_theta_local : c.rope_theta;
  const auto pairs = static_cast<size_t>(c.rope_dims / 2);
  std::vector<double> freq(pairs);
  for (size_t j = 0; j < pairs; ++j)
    freq[j] = std::pow(theta, -2.0 * static_cast<double>(j) / static_cast<double>(c.rope_dims));
  std::vector<float> result(pairs);
  // Layers with a base of their own (Gemma 3) are not scaled: their window is far below the trained context.
  if (!local) {
    const auto original = static_cast<double>(c.rope_original_context);
    switch (c.rope_scaling) {
      case RopeScaling::None:
        break;
      case RopeScaling::Linear:
        for (double& f : freq) f /= c.rope_factor;
        break;
      case RopeScaling::Llama3:  // long waves are stretched, short ones kept, between them a blend
        for (double& f : freq) {
          const double turns = original * f / (2 * std::numbers::pi);  // full turns within the original context
          const double blend = std::clamp(
              (turns - c.rope_low_freq_factor) / (c.rope_high_freq_factor - c.rope_low_freq_factor), 0.0, 1.0);
          f = (1 - blend) * f / c.rope_factor + blend * f;
        }
        break;
      case RopeScaling::Yarn: {
        const auto dims = static_cast<double>(c.rope_dims);
        const auto pair_with_turns = [&](double turns) {
          return dims * std::log(original / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta));
        };
        const double low = std::max(std::floor(pair_with_turns(c.rope_beta_fast)), 0.0);
        double high = std::min(std::ceil(pair_with_turns(c.rope_beta_slow)), dims - 1);
        if (high == low) high += 0.001;
        for (size_t j = 0; j < pairs; ++j) {
          const double ramp = std::clamp((static_cast<double>(j) - low) / (high - low), 0.0, 1.0);
          freq[j] = freq[j] / c.rope_factor * ramp + freq[j] * (1 - ramp);
        }
        break;
      }
      case RopeScaling::LongRope:
        break;  // all in the factors below
    }
    const bool use_short = c.rope_scaling == RopeScaling::LongRope && context <= c.rope_original_context;
    const std::vector<float>& factors = use_short ? c.rope_factors_short : c.rope_factors;
    if (!factors.empty())
      for (size_t j = 0; j < pairs; ++j) freq[j] /= static_cast<double>(factors[j]);
  }
  std::transform(freq.begin(), freq.end(), result.begin(), [](double f) { return static_cast<float>(f); });
  return result;
}

}  // namespace hearth::llm
