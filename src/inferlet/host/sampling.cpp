// hearth:inferlet/sampling: draws by all rules at once, with a seed.
#include <cmath>

#include "inferlet/host/guest.h"

namespace hearth::inferlet {
namespace {

using WireDraw = Record<Field<"temperature", float>, Field<"top-k", uint32_t>, Field<"top-p", float>,
                        Field<"min-p", float>, Field<"seed", uint64_t>>;

Result<engine::Draw> draw_of(const WireDraw& wire) {
  const auto [temperature, top_k, top_p, min_p, seed] = wire.value;
  if (!std::isfinite(temperature) || temperature < 0)
    return fail(ErrorKind::Invalid, "[pass] temperature; got {}, need a number from 0 up", temperature);
  for (const auto& [name, value] : {std::pair("top-p", top_p), std::pair("min-p", min_p)})
    if (!(value >= 0 && value <= 1))
      return fail(ErrorKind::Invalid, "[pass] {}; got {}, need a number from 0 to 1", name, value);
  return engine::Draw{.temperature = temperature, .top_k = top_k, .top_p = top_p, .min_p = min_p, .seed = seed};
}

}  // namespace

void bind_sampling(Binder& binder) {
  Interface<Guest> sampling(binder, "hearth:inferlet/sampling@0.1.0");
  sampling.function(
      "attach", +[](Guest&, ForwardPass& pass, std::vector<uint32_t> indices, WireDraw wire) {
        const auto draw = draw_of(wire);
        if (!draw) return pass.refuse(draw.error());
        pass.attach(indices, *draw);
      });
}

}  // namespace hearth::inferlet
