#include "draw.hpp"

#include <algorithm>

namespace hearth {
namespace {

uint64_t mix(uint64_t x) {  // splitmix64
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace

pie_core_inference_sampler_t sampler_of(const Sampling& s) {
  pie_core_inference_sampler_t out{};
  const bool k = s.top_k > 0, p = s.top_p < 1, m = s.min_p > 0;
  if (s.temperature <= 0 || (!k && !p && !m)) {
    out.tag = PIE_CORE_INFERENCE_SAMPLER_MULTINOMIAL;
    out.val.multinomial = {s.temperature, s.seed};
  } else if (s.seed != 0 || (m && (k || p))) {
    out.tag = PIE_CORE_INFERENCE_SAMPLER_DIST;
    out.val.dist = {s.temperature, k ? std::min(s.top_k, kGuestDrawTokens) : kGuestDrawTokens};
  } else if (k && p) {
    out.tag = PIE_CORE_INFERENCE_SAMPLER_TOP_K_TOP_P;
    out.val.top_k_top_p = {s.temperature, s.top_k, s.top_p};
  } else if (k) {
    out.tag = PIE_CORE_INFERENCE_SAMPLER_TOP_K;
    out.val.top_k = {s.temperature, s.top_k};
  } else if (p) {
    out.tag = PIE_CORE_INFERENCE_SAMPLER_TOP_P;
    out.val.top_p = {s.temperature, s.top_p};
  } else {
    out.tag = PIE_CORE_INFERENCE_SAMPLER_MIN_P;
    out.val.min_p = {s.temperature, s.min_p};
  }
  return out;
}

uint32_t draw(std::span<const uint32_t> tokens, std::span<const float> probabilities, const Sampling& s,
              uint64_t position) {
  size_t count = tokens.size();
  if (s.top_k > 0) count = std::min<size_t>(count, s.top_k);
  // top_p is a share of what top_k left; without top_k, of the whole vocabulary.
  double whole = 1;
  if (s.top_k > 0) {
    whole = 0;
    for (size_t i = 0; i < count; ++i) whole += probabilities[i];
  }
  double sum = 0;
  size_t kept = 0;
  while (kept < count) {
    if (kept > 0 && probabilities[kept] < s.min_p * probabilities[0]) break;
    sum += probabilities[kept++];
    if (s.top_p < 1 && sum >= s.top_p * whole) break;
  }
  uint64_t random;
  if (s.seed == 0)
    random = wasi_random_random_get_random_u64();
  else
    random = mix(mix(s.seed) ^ position);
  double left = static_cast<double>(random >> 11) * 0x1p-53 * sum;
  for (size_t i = 0; i < kept; ++i) {
    left -= probabilities[i];
    if (left < 0) return tokens[i];
  }
  return tokens[kept - 1];
}

Result<uint32_t> token_of(pie_core_inference_output_t& output, const Sampling& sampling, uint64_t position) {
  Result<uint32_t> token = fail("[next token] the pass gave no token: it failed or was cancelled");
  if (output.slots.len == 1) {
    const auto& slot = output.slots.ptr[0];
    if (slot.tag == PIE_CORE_INFERENCE_SLOT_OUTPUT_TOKEN) {
      token = slot.val.token;
    } else if (slot.tag == PIE_CORE_INFERENCE_SLOT_OUTPUT_DISTRIBUTION) {
      const auto& [tokens, probabilities] = slot.val.distribution;
      if (tokens.len > 0 && tokens.len == probabilities.len)
        token = draw({tokens.ptr, tokens.len}, {probabilities.ptr, probabilities.len}, sampling, position);
    }
  }
  pie_core_inference_output_free(&output);
  return token;
}

}  // namespace hearth
