#include "operators/fused/steps.h"

#include <algorithm>
#include <charconv>

#include "base/nearest_word.h"

namespace hearth::operators::fused {

namespace {

using ops::cpu::Operand;
using ops::cpu::Pointwise;
using ops::cpu::PointwiseStep;
using ops::cpu::Spread;

struct StepInfo {
  std::string_view name;
  Pointwise op;
  int numbers = 0;
};

constexpr StepInfo kSteps[] = {
#define HEARTH_POINTWISE_OPERAND(Name, name, ...) {#name, Pointwise::Name},
#define HEARTH_POINTWISE(Name, name, numbers, ...) {#name, Pointwise::Name, numbers},
#include "ops/pointwise.inc"
};

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

template <class Number>
bool read(std::string_view word, Number& number) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  return error == std::errc() && end == word.data() + word.size();
}

Result<PointwiseStep> parse_step(std::string_view text, int inputs, std::vector<int>& operand_inputs) {
  const auto words = split_words(text);
  const auto* known = std::ranges::find(kSteps, words.empty() ? std::string_view() : words[0], &StepInfo::name);
  if (known == std::end(kSteps)) {
    std::vector<std::string_view> names;
    for (const StepInfo& each : kSteps) names.push_back(each.name);
    return fail(ErrorKind::Invalid, "step '{}'; need the name of one{}", text,
                words.empty() ? std::string() : suggestion(words[0], names));
  }
  PointwiseStep step{.op = known->op};
  const bool takes_operand = has_operand(step.op);
  const size_t wanted = 1 + (takes_operand ? 1 : 0) + static_cast<size_t>(known->numbers);
  if (words.size() != wanted)
    return fail(ErrorKind::Invalid, "step '{}'; got {} words, need {}", text, words.size(), wanted);
  if (takes_operand) {
    int input = -1;
    if (!read(words[1], input) || input < 0 || input >= inputs)
      return fail(ErrorKind::Invalid, "step '{}'; need the number of an input, 0 to {}", text, inputs - 1);
    const auto at = std::ranges::find(operand_inputs, input);
    step.operand = static_cast<int32_t>(at - operand_inputs.begin());
    if (at == operand_inputs.end()) operand_inputs.push_back(input);
  }
  float* const numbers[] = {&step.a, &step.b};
  for (int i = 0; i < known->numbers; ++i)
    if (!read(words[static_cast<size_t>(i) + 1], *numbers[i]))
      return fail(ErrorKind::Invalid, "step '{}'; got '{}', need a number", text, words[static_cast<size_t>(i) + 1]);
  return step;
}

}  // namespace

Result<StepPlan> parse_steps(std::span<const std::string> texts, int inputs) {
  if (texts.size() > kMaxSteps)
    return fail(ErrorKind::Limit, "steps; got {}, need at most {}", texts.size(), kMaxSteps);
  StepPlan plan;
  plan.steps.reserve(texts.size());
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(PointwiseStep step, parse_step(text, inputs, plan.operand_inputs));
    plan.steps.push_back(step);
  }
  if (plan.operand_inputs.size() > kMaxOperands)
    return fail(ErrorKind::Limit, "operands of steps; got {}, need at most {}", plan.operand_inputs.size(),
                kMaxOperands);
  return plan;
}

std::string_view step_name(Pointwise op) {
  return std::ranges::find(kSteps, op, &StepInfo::op)->name;
}

bool spread_over(const Dims& operand, const Dims& result, Operand& spread) {
  const int rank = result.rank(), skipped = rank - operand.rank();
  if (skipped < 0) return false;
  const auto size_at = [&](int axis) { return axis < skipped ? 1 : operand[static_cast<size_t>(axis - skipped)]; };
  // The first dimension of the operand that is not 1: from there on, all but the last must be those of the result.
  int first = 0;
  while (first < rank && size_at(first) == 1) ++first;
  if (first == rank) {
    spread.spread = Spread::Number;
    return true;
  }
  const int64_t columns = result.back();
  int64_t period = 1;
  for (int axis = first; axis + 1 < rank; ++axis) {
    if (size_at(axis) != result[static_cast<size_t>(axis)]) return false;
    period *= size_at(axis);
  }
  const bool across = size_at(rank - 1) == columns;
  if (!across && size_at(rank - 1) != 1) return false;
  spread.period = period;
  spread.row_stride = across ? columns : 1;
  spread.spread = first == rank - 1 ? Spread::Column : across ? Spread::Full : Spread::Row;
  return true;
}

Result<BoundSteps> BoundSteps::bind(const Call& call, const StepPlan& plan, const Dims& result) {
  BoundSteps bound;
  bound.plan_ = &plan;
  for (size_t i = 0; i < plan.operand_inputs.size(); ++i) {
    const int input = plan.operand_inputs[i];
    ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(input));
    if (tensor->dtype() != DType::F32)
      return call.invalid("operand, input {}; got {}, need f32", input, to_string(tensor->dtype()));
    Operand& operand = bound.operands_[i];
    if (!spread_over(tensor->dims(), result, operand))
      return call.invalid("operand, input {}; got {}, need a number, columns, rows or the whole of {}", input,
                          to_string(tensor->dims()), to_string(result));
    operand.data = tensor->data<float>();
  }
  return bound;
}

}  // namespace hearth::operators::fused
