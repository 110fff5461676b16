#include "graph/infer/table.h"

#include <map>

namespace hearth::graph::infer {

namespace {

using Key = std::pair<std::string_view, std::string_view>;

std::string_view canonical(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view() : domain;
}

}  // namespace

InferFunction find_inference(std::string_view domain, std::string_view op_type) {
  static const auto table = [] {
    std::map<Key, InferFunction> made;
    for (const auto& family :
         {elementwise_inference(), array_inference(), indexing_inference(), reduction_inference(), matrix_inference(),
          window_inference(), image_inference(), network_inference(), generator_inference(), control_inference(),
          sequence_inference(), text_inference(), ml_inference(), training_inference()})
      for (const InferEntry& entry : family) {
        const bool added = made.emplace(Key{entry.domain, entry.op_type}, entry.infer).second;
        CHECK(added);
      }
    return made;
  }();
  const auto at = table.find({canonical(domain), op_type});
  return at != table.end() ? at->second : nullptr;
}

PropagateFunction find_propagation(std::string_view domain, std::string_view op_type) {
  static const auto table = [] {
    std::map<std::string_view, PropagateFunction> made;
    for (const auto& family : {array_propagation(), arithmetic_propagation()})
      for (const PropagateEntry& entry : family) {
        const bool added = made.emplace(entry.op_type, entry.propagate).second;
        CHECK(added);
      }
    return made;
  }();
  if (!canonical(domain).empty()) return nullptr;
  const auto at = table.find(op_type);
  return at != table.end() ? at->second : nullptr;
}

}  // namespace hearth::graph::infer
