// The one file that sees CLI11.
#include "flame/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>

#include "base/log.h"
#include "cli/interrupt.h"
#include "flame/commands.h"

namespace hearth::flame {

namespace {

using Action = std::function<Result<>(std::stop_token)>;

void add_model_options(CLI::App* app, ModelWords& words, bool compiles) {
  app->add_option("model", words.model, "An .onnx or .pfm file")->required();
  app->add_flag("--json", words.json, "As JSON");
  if (!compiles) return;
  app->add_option("--level", words.level, "How much the graph is rewritten: 0 not at all, 1 basic, 2 extended, 3 all")
      ->check(CLI::Range(0, 3))
      ->capture_default_str();
  app->add_option("--disable-pass", words.disabled_passes, "A pass to leave out; may be given several times")
      ->type_name("NAME");
  app->add_option("--threads", words.threads, "Threads; 0: one per core")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  app->add_option("--memory-limit-mb", words.memory_limit_mb, "Most memory of tensors at one time; 0: no limit")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  app->add_option("--precision", words.precision, "Of the factors in products: f32, or bf16 (faster, less exact)")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app->add_option("--cache-dir", words.cache_dir, "Keep the compiled model here: the next start maps it")
      ->type_name("DIR");
}

void add_feed_options(CLI::App* app, FeedWords& words) {
  app->add_option("-i,--input", words.inputs,
                  "An input: NAME=FILE.npy, NAME=FILE.pb, NAME=random or NAME=zeros (default: random)")
      ->type_name("NAME=VALUE");
  app->add_option("--shape", words.shapes, "Sizes of a generated input: NAME=1,3,224,224")->type_name("NAME=SIZES");
  app->add_option("--open-size", words.open_size, "What a size that the model leaves open becomes")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 32))
      ->capture_default_str();
  app->add_option("--seed", words.seed, "Of the random inputs")->capture_default_str();
}

CLI::App* command(CLI::App& parent, const char* name, const char* what, const char* examples) {
  auto* app = parent.add_subcommand(name, what);
  app->footer(fmt::format("Examples:\n{}", examples));
  return app;
}

}  // namespace

int run_command_line(int argc, char** argv) {
  if (auto opened = open_log({}); !opened) fmt::print(stderr, "flame: {}\n", opened.error().message);
  cli::Interrupt interrupt;
  CLI::App app("Loads, optimises and runs ONNX models on the CPU.", "flame");
  app.require_subcommand(1);
  app.set_version_flag("--version", HEARTH_VERSION);
  Action action;

  RunWords run_words;
  auto* run_app = command(app, "run", "Run a model once and show its outputs",
                          "  flame run model.onnx\n  flame run model.onnx -i image=cat.npy -o results/\n"
                          "  flame run model.onnx --shape input=1,3,224,224 --profile trace.json");
  add_model_options(run_app, run_words.model, true);
  add_feed_options(run_app, run_words.feeds);
  run_app->add_option("-o,--output", run_words.output, "Folder for the outputs, one .npy file each")->type_name("DIR");
  run_app->add_option("--profile", run_words.profile, "Write when which node ran (opens in Perfetto)")
      ->type_name("FILE");
  run_app->add_option("--timeout", run_words.timeout, "Seconds after which the run ends with an error")
      ->check(CLI::NonNegativeNumber);
  run_app->callback([&] { action = [&](std::stop_token stop) { return run(run_words, stop); }; });

  ModelWords inspect_words;
  bool text = false;
  auto* inspect_app = command(app, "inspect", "What a model file holds",
                              "  flame inspect model.onnx\n  flame inspect model.onnx --text");
  add_model_options(inspect_app, inspect_words, false);
  inspect_app->add_flag("--text", text, "The whole graph in ONNX's text form");
  inspect_app->callback([&] { action = [&](std::stop_token) { return inspect(inspect_words, text); }; });

  ModelWords explain_words;
  auto* explain_app =
      command(app, "explain", "What the passes make of a model, how each node runs, and the memory it takes",
              "  flame explain model.onnx\n  flame explain model.onnx --level 1 --json");
  add_model_options(explain_app, explain_words, true);
  int64_t explain_open_size = 1;
  explain_app
      ->add_option("--open-size", explain_open_size,
                   "What a size that the model leaves open counts as in the memory plan")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 32))
      ->capture_default_str();
  explain_app->callback([&] { action = [&](std::stop_token) { return explain(explain_words, explain_open_size); }; });

  ConvertWords convert_words;
  auto* convert_app = command(app, "convert", "Write a model in another format, or as the passes left it",
                              "  flame convert model.onnx model.pfm\n  flame convert model.onnx small.onnx --level 1\n"
                              "  flame convert model.pfm model.onnx --external-data");
  convert_app->add_option("model", convert_words.model, "An .onnx or .pfm file")->required();
  convert_app->add_option("output", convert_words.output, "The file to write: .onnx or .pfm")->required();
  convert_app
      ->add_option("--level", convert_words.level,
                   "Rewrite the graph first: 1 by the basic passes, which keep to ONNX's operators; 0: not at all")
      ->check(CLI::Range(0, 1))
      ->capture_default_str();
  convert_app->add_flag("--external-data", convert_words.external, "Weights into a file beside the .onnx");
  convert_app->callback([&] { action = [&](std::stop_token) { return convert(convert_words); }; });

  BenchWords bench_words;
  auto* bench_app =
      command(app, "bench", "Measure load time, latency and memory", "  flame bench model.onnx --runs 200 --threads 2");
  add_model_options(bench_app, bench_words.model, true);
  add_feed_options(bench_app, bench_words.feeds);
  bench_app->add_option("--warmup", bench_words.warmup, "Runs that are not measured")
      ->check(CLI::Range(0, 1 << 30))
      ->capture_default_str();
  bench_app->add_option("--runs", bench_words.runs, "Runs that are")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  bench_app
      ->add_option("--nodes", bench_words.nodes,
                   "Show how long the N slowest nodes take (measured in runs of their own)")
      ->type_name("N")
      ->check(CLI::Range(0, 1 << 30));
  bench_app->callback([&] { action = [&](std::stop_token stop) { return bench(bench_words, stop); }; });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = app.exit(error);
    return status == 0 ? 0 : 2;
  }
  const auto done = action(interrupt.token());
  if (done) return 0;
  fmt::print(stderr, "flame: {}\n", done.error().message);
  return exit_code(done.error().kind);
}

}  // namespace hearth::flame
