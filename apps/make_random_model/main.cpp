// Writes a small random model: see llm/random/random_model.h.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "llm/random/random_model.h"

namespace {

hearth::Result<std::vector<hearth::DType>> parse_dtypes(const std::vector<std::string>& names) {
  std::vector<hearth::DType> types;
  for (const std::string& name : names) {
    const auto type = hearth::parse_dtype(name);
    if (!type)
      return hearth::fail(hearth::ErrorKind::Usage, "[random model] dtype; got \"{}\", need names such as f32, q4_k",
                          name);
    types.push_back(*type);
  }
  return types;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Writes a small random model; the same seed gives the same weights in both formats.");
  hearth::llm::RandomModelOptions options;
  std::vector<std::string> dtypes = {"f32"};
  std::string out;
  app.add_option("--arch", options.architecture, "llama, qwen2, qwen3, gemma2, gemma3, mistral or phi3")
      ->capture_default_str();
  app.add_option("--format", options.format, "gguf or safetensors")->capture_default_str();
  app.add_option("--dtype", dtypes, "of the matrices; several, by commas, are taken in turn")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--out", out, "folder")->required();
  app.add_option("--seed", options.seed)->capture_default_str();
  app.add_option("--layers", options.layers)->capture_default_str();
  app.add_option("--hidden", options.hidden)->capture_default_str();
  app.add_option("--heads", options.heads)->capture_default_str();
  app.add_option("--kv-heads", options.kv_heads)->capture_default_str();
  app.add_option("--head-dim", options.head_dim)->capture_default_str();
  app.add_option("--ffn", options.ffn)->capture_default_str();
  app.add_option("--context", options.context)->capture_default_str();
  app.add_option("--vocab", options.vocab, "0: the tokenizer's")->capture_default_str();
  app.add_option("--window", options.window, "sliding window of mistral, phi3, gemma2, gemma3")->capture_default_str();
  app.add_flag("--tied", options.tied, "output matrix = embedding");
  app.add_option("--tokenizer", options.tokenizer, "bpe or spm; default: as the family has it");
  app.add_option("--rope", options.rope, "none, linear, yarn, llama3 (llama) or longrope (phi3)")
      ->capture_default_str();
  app.add_option("--shards", options.shards, "safetensors files")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const auto types = parse_dtypes(dtypes);
  if (types) options.dtypes = *types;
  const auto written = types ? hearth::llm::write_random_model(options, out) : std::unexpected(types.error());
  if (!written) {
    fmt::print(stderr, "{}\n", written.error().message);
    return hearth::exit_code(written.error().kind);
  }
  fmt::print("{}\n", written->string());
  return 0;
}
