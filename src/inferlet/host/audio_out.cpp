// pie:core/audio-out: speech. Nothing here serves it: generate says so.
#include "inferlet/host/guest.h"

namespace hearth::inferlet {
namespace {

struct Speech : Resource {
  static constexpr ResourceType kType = ResourceType::Speech;
  static constexpr const char* kName = "speech";
};
using Voice = Variant<Case<"speaker", uint32_t>, Case<"named", std::string>>;
using Request =
    Record<Field<"text", std::string>, Field<"voice", Voice>, Field<"max-duration-ms", std::optional<uint32_t>>>;

}  // namespace

void bind_audio_out(Binder& binder) {
  Interface<Guest> audio(binder, "pie:core/audio-out");
  audio.resource<Speech>();
  audio.static_method<Speech>(
      "generate",
      +[](Guest&, Model&, Request) -> Result<Own<Speech>> { return unsupported("audio-out: speech generation"); });
  audio.method("sample-rate", +[](Guest&, Speech&) -> Trapping<uint32_t> { return not_served("speech.sample-rate"); });
  audio.method("channels", +[](Guest&, Speech&) -> Trapping<uint32_t> { return not_served("speech.channels"); });
  audio.method("duration-ms", +[](Guest&, Speech&) -> Trapping<uint32_t> { return not_served("speech.duration-ms"); });
  audio.method("pcm", +[](Guest&, Speech&) -> Trapping<std::vector<float>> { return not_served("speech.pcm"); });
}

}  // namespace hearth::inferlet
