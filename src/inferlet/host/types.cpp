// pie:core/types: futures of texts and bytes.
#include "inferlet/host/guest.h"

namespace hearth::inferlet {

void bind_types(Binder& binder) {
  Interface<Guest> types(binder, "pie:core/types");
  types.resource<FutureString>().resource<FutureBlob>();
  types.method("pollable", +[](Guest&, FutureString& self) { return self.letter->ready; });
  types.method("get", +[](Guest&, FutureString& self) { return self.box->read(*self.letter); });
  types.method("pollable", +[](Guest&, FutureBlob& self) { return self.letter->ready; });
  types.method(
      "get", +[](Guest&, FutureBlob& self) -> std::optional<Blob> {
        auto bytes = self.box->read(*self.letter);
        if (!bytes) return std::nullopt;
        return Blob{*std::move(bytes)};
      });
}

}  // namespace hearth::inferlet
