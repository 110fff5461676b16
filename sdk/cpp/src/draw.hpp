// From Sampling to what a pass is told, and from its output to a token.
#pragma once

#include "hearth/sampling.hpp"

namespace hearth {

// Of a distribution that the guest draws from; see Sampling.
constexpr uint32_t kGuestDrawTokens = 1024;

pie_core_inference_sampler_t sampler_of(const Sampling& sampling);

// The token of a finished pass with one slot. `position` and the seed fix what is drawn. Frees the output.
Result<uint32_t> token_of(pie_core_inference_output_t& output, const Sampling& sampling, uint64_t position);

// One of the tokens, which come with their probabilities, the most probable first.
uint32_t draw(std::span<const uint32_t> tokens, std::span<const float> probabilities, const Sampling& sampling,
              uint64_t position);

}  // namespace hearth
