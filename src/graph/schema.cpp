#include "graph/schema.h"

#include <algorithm>
#include <climits>
#include <tuple>

namespace hearth::graph {

namespace {

struct NewestOpset {
  std::string_view domain;
  int64_t version;
};
constexpr int kUnbounded = INT_MAX;

#include "graph/schema.inc"

constexpr auto key(const OperatorSchema& schema) {
  return std::tuple(schema.domain, schema.name, schema.since_version);
}
static_assert(std::ranges::is_sorted(kSchemas, {}, key));  // find_schema searches by halves

std::string_view canonical(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view() : domain;
}

}  // namespace

const OperatorSchema* find_schema(std::string_view domain, std::string_view op_type, int64_t opset) {
  if (opset < 1) return nullptr;
  const auto version = static_cast<int>(std::min<int64_t>(opset, INT_MAX));
  const auto* at = std::ranges::upper_bound(kSchemas, std::tuple(canonical(domain), op_type, version), {}, key);
  if (at == std::begin(kSchemas)) return nullptr;
  --at;
  return at->domain == canonical(domain) && at->name == op_type ? at : nullptr;
}

std::span<const OperatorSchema> all_schemas() {
  return kSchemas;
}

int64_t newest_opset(std::string_view domain) {
  const auto* at = std::ranges::find(kNewestOpsets, canonical(domain), &NewestOpset::domain);
  return at != std::end(kNewestOpsets) ? at->version : 0;
}

bool known_domain(std::string_view domain) {
  return newest_opset(domain) > 0;
}

}  // namespace hearth::graph
