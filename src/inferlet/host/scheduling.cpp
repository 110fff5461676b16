// pie:core/scheduling. Pages are not sold here: every price, rent, dividend and balance is 0. Latency is measured.
#include "inferlet/host/guest.h"

namespace hearth::inferlet {

void bind_scheduling(Binder& binder) {
  Interface<Guest> scheduling(binder, "pie:core/scheduling");
  scheduling.function("price", +[](Guest&) { return 0.0; });
  scheduling.function("rent", +[](Guest&, Context&) { return 0.0; });
  scheduling.function("dividend", +[](Guest&, Model&) { return 0.0; });
  scheduling.function("balance", +[](Guest&, Model&) { return 0.0; });
  // Seconds from execute to output of late, over all passes of the model; 0 before the first.
  scheduling.function(
      "latency", +[](Guest& guest, Context& context) { return guest.services.latency->of(context.model); });
}

}  // namespace hearth::inferlet
