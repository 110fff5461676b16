// pie:core/adapter: low-rank adapters. Nothing here serves them: create says so, open finds none.
#include "inferlet/host/guest.h"

namespace hearth::inferlet {

void bind_adapter(Binder& binder) {
  Interface<Guest> adapter(binder, "pie:core/adapter");
  adapter.resource<Adapter>();
  adapter.static_method<Adapter>(
      "create", +[](Guest&, Model&, std::string_view) -> Result<Own<Adapter>> {
        return unsupported("adapter: low-rank adapters");
      });
  adapter.static_method<Adapter>(
      "open", +[](Guest&, Model&, std::string_view) -> std::optional<Own<Adapter>> { return std::nullopt; });
  adapter.method("destroy", +[](Guest&, Adapter&) {});
  adapter.method(
      "fork", +[](Guest&, Adapter&, std::string_view) -> Trapping<Own<Adapter>> { return not_served("adapter.fork"); });
  adapter.method(
      "load", +[](Guest&, Adapter&, std::string_view) -> Result<> { return unsupported("adapter: loading"); });
  adapter.method(
      "save", +[](Guest&, Adapter&, std::string_view) -> Result<> { return unsupported("adapter: saving"); });
}

}  // namespace hearth::inferlet
