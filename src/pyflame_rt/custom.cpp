#include "pyflame_rt/custom.h"

#include "pyflame_rt/convert.h"

namespace pyflame_rt {

namespace {

using AttributeValue = std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
                                    std::vector<std::string>, Tensor>;

std::map<std::string, AttributeValue> attributes_of(const hearth::graph::Node& node) {
  std::map<std::string, AttributeValue> made;
  for (const auto& attribute : node.attributes)
    std::visit(
        [&](const auto& data) {
          using Held = std::decay_t<decltype(data)>;
          if constexpr (std::is_same_v<Held, hearth::Tensor>)
            made.emplace(attribute.name, to_public(data));
          else if constexpr (std::is_constructible_v<AttributeValue, Held>)
            made.emplace(attribute.name, data);
        },
        attribute.data);
  return made;
}

hearth::Result<> call_custom(const CustomOperator& custom, hearth::operators::Call& call) {
  std::vector<Value> inputs;
  for (int i = 0; i < call.input_count(); ++i) inputs.push_back(call.has(i) ? to_public(call.value(i)) : Value());
  std::vector<Value> outputs;
  try {  // the caller's code may throw; nothing above it does
    outputs = custom.run(inputs, attributes_of(call.node()));
    if (outputs.size() != static_cast<size_t>(call.output_count()))
      return call.invalid("outputs of the custom operator; got {}, need {}", outputs.size(), call.output_count());
    for (int i = 0; i < call.output_count(); ++i)
      if (call.wants(i)) call.set_output(i, from_public(outputs[static_cast<size_t>(i)]));
  } catch (const std::exception& error) {
    return call.invalid("the custom operator failed: {}", error.what());
  }
  return {};
}

}  // namespace

hearth::runtime::CustomOperator adapt(const CustomOperator& custom) {
  return [custom](hearth::operators::Call& call) { return call_custom(custom, call); };
}

}  // namespace pyflame_rt
