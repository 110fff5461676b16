// The kernels of this folder; control_table.cpp says which operator versions they serve.
#pragma once

#include "operators/kernel.h"

namespace hearth::operators {

Result<> run_bernoulli(Call& call);
Result<> run_concat_from_sequence(Call& call);
Result<> run_if(Call& call);
Result<> run_loop(Call& call);
Result<> run_multinomial(Call& call);
Result<> run_optional(Call& call);
Result<> run_optional_get_element(Call& call);
Result<> run_optional_has_element(Call& call);
Result<> run_random_normal(Call& call);
Result<> run_random_normal_like(Call& call);
Result<> run_random_uniform(Call& call);
Result<> run_random_uniform_like(Call& call);
Result<> run_regex_full_match(Call& call);
Result<std::unique_ptr<Prepared>> prepare_regex_full_match(const graph::Node& node, int64_t opset,
                                                           std::span<const Tensor* const> constants);
Result<> run_scan(Call& call);
Result<> run_batched_scan(Call& call);  // opset 8
Result<> run_sequence_at(Call& call);
Result<> run_sequence_construct(Call& call);
Result<> run_sequence_empty(Call& call);
Result<> run_sequence_erase(Call& call);
Result<> run_sequence_insert(Call& call);
Result<> run_sequence_length(Call& call);
Result<> run_sequence_map(Call& call);
Result<> run_split_to_sequence(Call& call);
Result<> run_string_concat(Call& call);
Result<> run_string_normalizer(Call& call);
Result<> run_string_split(Call& call);

}  // namespace hearth::operators
