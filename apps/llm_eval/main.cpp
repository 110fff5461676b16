// Logits and likelihoods of token lists on a chosen device: what the tests that hold devices against each other drive.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>

#include "base/file.h"
#include "llm/evaluate.h"

namespace {

using namespace hearth;

struct Arguments {
  std::string model, device = "ref", isa, prepared_dir, tokens, tokens_file, out;
  int threads = 0;
  int64_t step = 512, window = 512, first_scored = 1, max_context = 0;
};

// Whole numbers between commas or white space.
Result<std::vector<int32_t>> parse_tokens(std::string_view text) {
  std::vector<int32_t> tokens;
  size_t at = 0;
  while ((at = text.find_first_not_of(", \n\r\t", at)) != std::string_view::npos) {
    int32_t token = 0;
    const auto [end, code] = std::from_chars(text.data() + at, text.data() + text.size(), token);
    if (code != std::errc()) return fail(ErrorKind::Usage, "[tokens] byte {}; need whole numbers", at);
    tokens.push_back(token);
    at = static_cast<size_t>(end - text.data());
  }
  return tokens;
}

Result<std::vector<int32_t>> read_tokens(const Arguments& a) {
  if (a.tokens_file.empty()) return parse_tokens(a.tokens);
  ASSIGN_OR_RETURN(const std::string text, read_file(a.tokens_file));
  return parse_tokens(text);
}

struct Loaded {
  std::unique_ptr<ops::Device> device;
  std::unique_ptr<llm::Model> model;
};

Result<Loaded> load(const Arguments& a) {
  Loaded loaded;
  ASSIGN_OR_RETURN(loaded.device, ops::open_device(a.device, {.threads = a.threads, .isa = a.isa}));
  ASSIGN_OR_RETURN(std::shared_ptr<llm::ModelFile> file, llm::open_model_file(a.model));
  llm::LoadOptions options;
  options.prepared_dir = a.prepared_dir;
  options.max_step_tokens = a.step;
  options.max_context = a.max_context;
  ASSIGN_OR_RETURN(loaded.model, llm::Model::load(std::move(file), *loaded.device, options));
  return loaded;
}

Result<> run_logits(const Arguments& a) {
  ASSIGN_OR_RETURN(const auto tokens, read_tokens(a));
  ASSIGN_OR_RETURN(const Loaded loaded, load(a));
  ASSIGN_OR_RETURN(const auto logits, llm::logits_of(*loaded.model, tokens, a.step));
  TRY(write_file(a.out, std::string_view(reinterpret_cast<const char*>(logits.data()), logits.size() * sizeof(float))));
  fmt::print("{} x {} f32\n", tokens.size(), logits.size() / tokens.size());
  return {};
}

Result<> run_nll(const Arguments& a) {
  ASSIGN_OR_RETURN(const auto tokens, read_tokens(a));
  ASSIGN_OR_RETURN(const Loaded loaded, load(a));
  ASSIGN_OR_RETURN(const auto result, llm::likelihood_of(*loaded.model, tokens, a.window, a.first_scored, a.step));
  fmt::print("nll {:.9f} perplexity {:.6f} scored {}\n", result.mean_nll, std::exp(result.mean_nll), result.scored);
  return {};
}

void add_options(CLI::App& command, Arguments& a) {
  command.add_option("--model", a.model, ".gguf file or safetensors folder")->required();
  auto* tokens = command.add_option("--tokens", a.tokens, "ids, by commas");
  command.add_option("--tokens-file", a.tokens_file, "ids, by commas or white space")->excludes(tokens);
  command.add_option("--device", a.device, "ref or cpu")->capture_default_str();
  command.add_option("--isa", a.isa, "portable, avx2 or avx512; default: the best of the machine");
  command.add_option("--threads", a.threads, "0: one per core")->capture_default_str();
  command.add_option("--prepared", a.prepared_dir, "folder of prepared files; default: none is used or written");
  command.add_option("--step", a.step, "tokens of a forward step")->capture_default_str();
  command.add_option("--max-context", a.max_context, "0: what the model was trained for")->capture_default_str();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Logits and likelihoods of token lists.");
  app.require_subcommand(1);
  Arguments a;
  auto* logits = app.add_subcommand("logits", "logits at every position, as raw f32 [tokens, vocab]");
  add_options(*logits, a);
  logits->add_option("--out", a.out, "file")->required();
  auto* nll = app.add_subcommand("nll", "mean negative log-likelihood, natural logarithm");
  add_options(*nll, a);
  nll->add_option("--window", a.window, "tokens that start from nothing together")->capture_default_str();
  nll->add_option("--first-scored", a.first_scored, "first token of a window that counts")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const auto done = logits->parsed() ? run_logits(a) : run_nll(a);
  if (!done) {
    fmt::print(stderr, "{}\n", done.error().message);
    return exit_code(done.error().kind);
  }
  return 0;
}
