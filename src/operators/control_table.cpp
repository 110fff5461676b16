#include "operators/control/control_kernels.h"

namespace hearth::operators {

std::span<const KernelEntry> control_kernels() {
  static constexpr KernelEntry kTable[] = {
      {.op_type = "Bernoulli", .since = 15, .run = run_bernoulli},
      {.op_type = "ConcatFromSequence", .since = 11, .run = run_concat_from_sequence},
      {.op_type = "If", .run = run_if},
      {.op_type = "Loop", .run = run_loop},
      {.op_type = "Multinomial", .since = 7, .run = run_multinomial},
      {.op_type = "Optional", .since = 15, .run = run_optional},
      {.op_type = "OptionalGetElement", .since = 15, .run = run_optional_get_element},
      {.op_type = "OptionalHasElement", .since = 15, .run = run_optional_has_element},
      {.op_type = "RandomNormal", .run = run_random_normal},
      {.op_type = "RandomNormalLike", .run = run_random_normal_like},
      {.op_type = "RandomUniform", .run = run_random_uniform},
      {.op_type = "RandomUniformLike", .run = run_random_uniform_like},
      {.op_type = "RegexFullMatch", .since = 20, .run = run_regex_full_match, .prepare = prepare_regex_full_match},
      {.op_type = "Scan", .since = 8, .until = 9, .run = run_batched_scan},
      {.op_type = "Scan", .since = 9, .run = run_scan},
      {.op_type = "SequenceAt", .since = 11, .run = run_sequence_at},
      {.op_type = "SequenceConstruct", .since = 11, .run = run_sequence_construct},
      {.op_type = "SequenceEmpty", .since = 11, .run = run_sequence_empty},
      {.op_type = "SequenceErase", .since = 11, .run = run_sequence_erase},
      {.op_type = "SequenceInsert", .since = 11, .run = run_sequence_insert},
      {.op_type = "SequenceLength", .since = 11, .run = run_sequence_length},
      {.op_type = "SequenceMap", .since = 17, .run = run_sequence_map},
      {.op_type = "SplitToSequence", .since = 11, .run = run_split_to_sequence},
      {.op_type = "StringConcat", .since = 20, .run = run_string_concat},
      {.op_type = "StringNormalizer", .since = 10, .run = run_string_normalizer},
      {.op_type = "StringSplit", .since = 20, .run = run_string_split},
  };
  return kTable;
}

}  // namespace hearth::operators
