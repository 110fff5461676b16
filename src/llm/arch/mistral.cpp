// Mistral: Llama with a sliding window in every layer (the first release) or none (the later ones).
#include "llm/arch/architecture.h"

namespace hearth::llm {
namespace {

constexpr std::string_view kClasses[] = {"MistralForCausalLM"};

void read_gguf(ConfigReader& keys, ModelConfig& config) {
  config.rope_interleaved = true;  // GGUF permutes the rows of q and k for it
  read_common_gguf(keys, config);
  config.sliding_window = keys.integer("attention.sliding_window");
}

void read_json(ConfigReader& keys, ModelConfig& config) {
  read_common_json(keys, config);
  // A config that does not speak of the window means the first release's.
  config.sliding_window = keys.integer("sliding_window", keys.is_null("sliding_window") ? 0 : 4096);
  expect_layer_types(keys, config);
}

}  // namespace

constinit const Architecture kMistral = {
    .name = "mistral",
    .gguf_name = "llama",
    .class_names = kClasses,
    .read_gguf = read_gguf,
    .read_json = read_json,
};

}  // namespace hearth::llm
