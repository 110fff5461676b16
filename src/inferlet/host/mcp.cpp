// pie:mcp/client: servers of the process's client. Requests will travel over its connection; until then there are none.
#include "inferlet/host/guest.h"

namespace hearth::inferlet {
namespace {

using McpError =
    Record<Field<"code", int32_t>, Field<"message", std::string>, Field<"data", std::optional<std::string>>>;
template <class T>
using McpResult = std::expected<T, McpError>;

struct McpSession : Resource {
  static constexpr ResourceType kType = ResourceType::McpSession;
  static constexpr const char* kName = "session";
};

constexpr int32_t kMethodNotFound = -32601;  // JSON-RPC's code for what the other side does not have

std::unexpected<McpError> no_server(std::string_view what) {
  return std::unexpected(McpError{{kMethodNotFound, unsupported(what).error().message, std::nullopt}});
}

}  // namespace

void bind_mcp(Binder& binder) {
  Interface<Guest> client(binder, "pie:mcp/client");
  client.resource<McpSession>();
  client.function("available-servers", +[](Guest&) { return std::vector<std::string>{}; });
  client.function(
      "connect", +[](Guest&, std::string_view server) -> McpResult<Own<McpSession>> {
        return no_server(fmt::format("mcp: server {}", server));
      });
  using Json = McpResult<std::string>;
  client.method("list-tools", +[](Guest&, McpSession&) -> Json { return no_server("mcp: list-tools"); });
  client.method(
      "call-tool",
      +[](Guest&, McpSession&, std::string_view, std::string_view) -> Json { return no_server("mcp: call-tool"); });
  client.method("list-resources", +[](Guest&, McpSession&) -> Json { return no_server("mcp: list-resources"); });
  client.method(
      "read-resource", +[](Guest&, McpSession&, std::string_view) -> Json { return no_server("mcp: read-resource"); });
  client.method("list-prompts", +[](Guest&, McpSession&) -> Json { return no_server("mcp: list-prompts"); });
  client.method(
      "get-prompt",
      +[](Guest&, McpSession&, std::string_view, std::string_view) -> Json { return no_server("mcp: get-prompt"); });
}

}  // namespace hearth::inferlet
