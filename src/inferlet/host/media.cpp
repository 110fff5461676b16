// pie:core/media: images, video and sound as input. Nothing here serves them: from-bytes says so, and without an object
// there is nothing to call the methods on.
#include "inferlet/host/guest.h"

namespace hearth::inferlet {
namespace {

struct Video : Resource {
  static constexpr ResourceType kType = ResourceType::Video;
  static constexpr const char* kName = "video";
};

}  // namespace

void bind_media(Binder& binder) {
  Interface<Guest> media(binder, "pie:core/media");
  media.resource<Image>().resource<Video>().resource<Audio>();
  media.static_method<Image>(
      "from-bytes", +[](Guest&, Model&, Blob) -> Result<Own<Image>> { return unsupported("media: image input"); });
  media.method("token-count", +[](Guest&, Image&) -> Trapping<uint32_t> { return not_served("image.token-count"); });
  media.method(
      "position-span", +[](Guest&, Image&) -> Trapping<uint32_t> { return not_served("image.position-span"); });
  media.method(
      "grid",
      +[](Guest&, Image&) -> Trapping<std::tuple<uint32_t, uint32_t, uint32_t>> { return not_served("image.grid"); });
  media.method(
      "prefix-tokens",
      +[](Guest&, Image&) -> Trapping<std::vector<uint32_t>> { return not_served("image.prefix-tokens"); });
  media.method(
      "suffix-tokens",
      +[](Guest&, Image&) -> Trapping<std::vector<uint32_t>> { return not_served("image.suffix-tokens"); });

  media.static_method<Video>(
      "from-bytes",
      +[](Guest&, Model&, Blob, uint32_t) -> Result<Own<Video>> { return unsupported("media: video input"); });
  media.method("frame-count", +[](Guest&, Video&) -> Trapping<uint32_t> { return not_served("video.frame-count"); });
  media.method(
      "frame", +[](Guest&, Video&, uint32_t) -> Result<Own<Image>> { return unsupported("media: video input"); });
  media.method("timestamp", +[](Guest&, Video&, uint32_t) -> Trapping<float> { return not_served("video.timestamp"); });

  media.static_method<Audio>(
      "from-bytes", +[](Guest&, Model&, Blob) -> Result<Own<Audio>> { return unsupported("media: audio input"); });
  media.method("token-count", +[](Guest&, Audio&) -> Trapping<uint32_t> { return not_served("audio.token-count"); });
  media.method(
      "position-span", +[](Guest&, Audio&) -> Trapping<uint32_t> { return not_served("audio.position-span"); });
  media.method(
      "prefix-tokens",
      +[](Guest&, Audio&) -> Trapping<std::vector<uint32_t>> { return not_served("audio.prefix-tokens"); });
  media.method(
      "suffix-tokens",
      +[](Guest&, Audio&) -> Trapping<std::vector<uint32_t>> { return not_served("audio.suffix-tokens"); });
}

}  // namespace hearth::inferlet
