#include "llm/random/random_model.h"

#include "llm/random/random_weights.h"
#include "llm/random/small_tokenizer.h"

namespace hearth::llm {

Result<std::filesystem::path> write_random_model(const RandomModelOptions& asked, const std::filesystem::path& dir) {
  RandomModelOptions options = asked;
  if (options.format != "gguf" && options.format != "safetensors")
    return fail(ErrorKind::Usage, "[random model] format; got \"{}\", need gguf or safetensors", options.format);
  if (options.dtypes.empty()) return fail(ErrorKind::Usage, "[random model] dtypes; got none, need one or more");
  const bool byte_level =
      options.architecture == "llama" || options.architecture == "qwen2" || options.architecture == "qwen3";
  if (options.tokenizer.empty()) options.tokenizer = byte_level ? "bpe" : "spm";
  if (options.tokenizer != "bpe" && options.tokenizer != "spm")
    return fail(ErrorKind::Usage, "[random model] tokenizer; got \"{}\", need bpe or spm", options.tokenizer);
  const SmallTokenizer tokenizer = make_small_tokenizer(options.tokenizer == "spm");
  ASSIGN_OR_RETURN(const ModelConfig config, random_config(options, static_cast<int64_t>(tokenizer.tokens.size())));
  if (options.format == "gguf") {
    TRY(write_random_gguf(options, config, dir / "model.gguf"));
    return dir / "model.gguf";
  }
  TRY(write_random_safetensors(options, config, dir));
  return dir;
}

}  // namespace hearth::llm
