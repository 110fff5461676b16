// Imports every function of the contract, as guests from toolchains that take in the whole world do. Then calls those
// that a build may not serve, and returns their answers, one a line: `function: error`, or `function: served`.
#include <hearth/inferlet.hpp>

namespace {

// An address taken is an import kept.
using Function = void (*)();
#define FUNCTION(name) reinterpret_cast<Function>(&name),
const Function volatile kFunctions[] = {
#include "../../sdk/cpp/generated/functions.inc"
};
#undef FUNCTION

std::string line(const char* function, bool served, hearth_guest_string_t& error) {
  return std::string(function) + ": " + (served ? "served" : hearth::binding::take(error)) + "\n";
}

}  // namespace

hearth::Result<std::string> run(std::string_view) {
  HEARTH_LET(const auto model, hearth::Model::load());
  std::string out;
  uint32_t count = 0;
  for (const Function volatile& function : kFunctions) count += function != nullptr;
  out += "functions: " + std::to_string(count) + "\n";

  hearth_guest_string_t error{};
  uint8_t byte = 0;
  hearth_guest_list_u8_t bytes{&byte, 1};
  pie_core_media_own_image_t image;
  out +=
      line("image.from-bytes", pie_core_media_static_image_from_bytes(model.borrow(), &bytes, &image, &error), error);
  pie_core_media_own_video_t video;
  out += line("video.from-bytes", pie_core_media_static_video_from_bytes(model.borrow(), &bytes, 1, &video, &error),
              error);
  pie_core_media_own_audio_t audio;
  out +=
      line("audio.from-bytes", pie_core_media_static_audio_from_bytes(model.borrow(), &bytes, &audio, &error), error);
  pie_core_audio_out_speech_request_t request{};
  request.text = hearth::binding::text("hello");
  request.voice.tag = PIE_CORE_AUDIO_OUT_VOICE_SPEAKER;
  pie_core_audio_out_own_speech_t speech;
  out += line("speech.generate", pie_core_audio_out_static_speech_generate(model.borrow(), &request, &speech, &error),
              error);
  auto name = hearth::binding::text("small");
  pie_core_adapter_own_adapter_t adapter;
  out += line("adapter.create", pie_core_adapter_static_adapter_create(model.borrow(), &name, &adapter, &error), error);
  return out;
}

HEARTH_INFERLET(run)
