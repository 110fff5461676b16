// The case tables, by kind of op. Each adds its ops' entries; cases_of() holds them together.
#pragma once

#include <vector>

#include "ops/conformance/case_builder.h"

namespace hearth::ops::conformance {

void add_row_cases(std::vector<OpCases>& all);        // row-wise ops on activations
void add_weight_cases(std::vector<OpCases>& all);     // ops that read weights
void add_attention_cases(std::vector<OpCases>& all);  // rope, caches, attention
void add_logit_cases(std::vector<OpCases>& all);      // distributions and choices over a vocabulary
void add_product_cases(std::vector<OpCases>& all);    // dense products, convolutions, attention
void add_image_cases(std::vector<OpCases>& all);      // pools, norms, means, transposition
void add_pointwise_cases(std::vector<OpCases>& all);  // every step, and how operands lie

}  // namespace hearth::ops::conformance
