// The adapter of RE2, whose syntax the operator names. It matches in time linear in the text, whatever the pattern.
#include <re2/re2.h>

#include "operators/control/control_kernels.h"
#include "operators/control/string_input.h"

namespace hearth::operators {

namespace {

struct Pattern final : Prepared {
  explicit Pattern(std::string_view text) : compiled(re2::StringPiece(text.data(), text.size()), quiet()) {}
  static RE2::Options quiet() {
    RE2::Options options;
    options.set_log_errors(false);
    return options;
  }
  RE2 compiled;
};

Result<std::unique_ptr<Pattern>> compile(const graph::Node& node) {
  auto pattern = std::make_unique<Pattern>(node.string_or("pattern", ""));
  if (!pattern->compiled.ok())
    return fail(ErrorKind::Invalid, "[RegexFullMatch] attribute pattern; got '{}': {}", node.string_or("pattern", ""),
                pattern->compiled.error());
  return pattern;
}

}  // namespace

Result<std::unique_ptr<Prepared>> prepare_regex_full_match(const graph::Node& node, int64_t,
                                                           std::span<const Tensor* const>) {
  ASSIGN_OR_RETURN(std::unique_ptr<Prepared> pattern, compile(node));
  return pattern;
}

Result<> run_regex_full_match(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, string_input(call, 0));
  if (!call.node().has("pattern")) return call.invalid("attribute pattern is absent; it is required");
  const auto* pattern = static_cast<const Pattern*>(call.prepared());
  std::unique_ptr<Pattern> own;  // a node that is evaluated by itself has nothing prepared
  if (pattern == nullptr) {
    ASSIGN_OR_RETURN(own, compile(call.node()));
    pattern = own.get();
  }
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, DType::Bool, input->dims()));
  for (int64_t i = 0; i < input->size(); ++i)
    output->mutable_data<bool>()[i] = RE2::FullMatch(input->strings()[static_cast<size_t>(i)], pattern->compiled);
  return {};
}

}  // namespace hearth::operators
