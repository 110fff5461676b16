// Guests written with the C++ library against the host functions.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <thread>

#include "harness.h"

#ifdef HEARTH_TEST_GUESTS
namespace hearth::inferlet {
namespace {

using std::chrono::milliseconds;

std::filesystem::path guest(const std::string& name) {
  return std::filesystem::path(HEARTH_TEST_GUESTS) / (name + ".wasm");
}

TEST(Guest, EveryFunctionOfTheContractLinks) {
  Harness harness;
  auto result = harness.run_guest("everything", "{}");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, "134");
}

TEST(Guest, OutputComesInOrderAndBeforeTheEnd) {
  Harness harness;
  auto result = harness.run_guest("probe", R"({"mode":"print"})");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, "printed");
  EXPECT_EQ(harness.last.out, "one\nthree\n");
  EXPECT_EQ(harness.last.err, "two\n");
  EXPECT_EQ(harness.last.order.front(), "stdout");
  EXPECT_EQ(harness.last.order.back(), "exit");
  EXPECT_EQ(harness.last.exits, 1);
}

TEST(Guest, SessionMessagesGoBothWaysInOrder) {
  Harness harness;
  Record record;
  auto process = harness.launch_guest("probe", record, R"({"mode":"echo"})");
  ASSERT_TRUE(process);
  for (const char* text : {"a", "b", "ü", "stop"}) process->send(text);
  auto result = record.wait();
  ASSERT_TRUE(result && *result) << result->error().message;
  EXPECT_EQ(**result, "3");
  EXPECT_EQ(record.messages, (std::vector<std::string>{"you said a", "you said b", "you said ü"}));
}

TEST(Guest, FilesGoBothWays) {
  Harness harness;
  Record record;
  auto process = harness.launch_guest("probe", record, R"({"mode":"file"})");
  ASSERT_TRUE(process);
  process->send_file(std::string("\x00\xff\x10", 3));
  ASSERT_TRUE(record.wait());
  ASSERT_EQ(record.files.size(), 1u);
  EXPECT_EQ(record.files[0], std::string("\xff\x00\xef", 3));
}

TEST(Guest, AMessageInADroppedFutureIsNotLost) {
  Harness harness;
  Record record;
  auto process = harness.launch_guest("probe", record, R"({"mode":"drop-future"})");
  ASSERT_TRUE(process);
  process->send("kept");
  auto result = record.wait();
  ASSERT_TRUE(result && *result);
  EXPECT_EQ(**result, "kept");
}

TEST(Guest, CancelWhileItWaits) {
  Harness harness;
  Record record;
  auto process = harness.launch_guest("probe", record, R"({"mode":"wait"})");
  ASSERT_TRUE(process);
  EXPECT_FALSE(record.wait(milliseconds(50)));
  auto start = std::chrono::steady_clock::now();
  process->cancel();
  auto result = record.wait();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->error().kind, ErrorKind::Cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(500));
}

TEST(Guest, WaitsForSeveralThingsAndTime) {
  Harness harness;
  auto result = harness.run_guest("probe", R"({"mode":"timers"})");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, "1 1");
}

TEST(Guest, MessagesOfOneUser) {
  Harness harness;
  auto result = harness.run_guest("probe", R"({"mode":"messaging"})");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, "first second extra - -");
}

TEST(Guest, LaunchesAChildAndGetsItsResult) {
  RuntimeOptions options;
  options.resolve_program = [](std::string_view name) -> Result<std::filesystem::path> {
    if (name == "std/probe") return guest("probe");
    return fail(ErrorKind::NotFound, "[registry] program; got {}, need one that exists", name);
  };
  Harness harness(options);
  auto result = harness.run_guest("probe", R"({"mode":"child","program":"std/probe"})");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, "same");
  Harness other(options);
  result = other.run_guest("probe", R"({"mode":"child","program":"nothing"})");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "[registry] program; got nothing, need one that exists");
}

TEST(Guest, MisuseIsAnErrorThatSaysWhat) {
  Harness harness({}, true);
  auto result = harness.run_guest("probe", R"({"mode":"misuse"})");
  ASSERT_TRUE(result) << result.error().message;
  std::string vocab = std::to_string(harness.engine.tokenizer(0)->vocab_size());
  EXPECT_EQ(*result,
            "[model] name; got gpt-0, need one of: tiny\n"
            "[pass] input tokens; got none, need at least one\n"
            "[pass] positions; got 1, need one for each of 2 tokens\n"
            "[pass] input token; got 4000000000, need less than " +
                vocab +
                "\n"
                "[pass] sampler index; got 2, need less than the 2 input tokens\n"
                "[inferlet] speculative token input is not served by this build\n"
                "accepted");
}

TEST(Guest, WhatIsNotServedSaysSo) {
  Harness harness({}, true);
  auto result = harness.run_guest("probe", R"({"mode":"unserved"})");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result,
            "[inferlet] media: image input is not served by this build\n"
            "[inferlet] adapter: low-rank adapters is not served by this build\n"
            "no adapter\n0 servers\n-32601 [inferlet] mcp: server x is not served by this build");
}

TEST(Guest, GeneratesTheSameFromAForkAndKeepsSnapshots) {
  Harness harness({}, true);
  auto result = harness.run_guest("probe", R"({"mode":"contexts"})");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, "same");
  EXPECT_EQ(harness.engine.stats(0).contexts, 0);  // all given back
}

std::string draw(const std::string& rules) {
  return R"({"mode":"draw",)" + rules + "}";
}
// The guests with these inputs, all at once.
std::vector<std::string> drawn(Harness& harness, const std::vector<std::string>& inputs) {
  const auto program = harness.runtime->load(guest("probe"));  // once: compiling takes longer than they run
  EXPECT_TRUE(program) << program.error().message;
  std::vector<Record> records(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    EXPECT_TRUE(harness.runtime->launch(*program, inputs[i], {}, "anna", records[i].events()));
  std::vector<std::string> results;
  for (Record& record : records) {
    const auto result = record.wait();
    EXPECT_TRUE(result && *result) << (result ? result->error().message : "no end");
    results.push_back(result && *result ? **result : "");
  }
  return results;
}

TEST(Guest, ASeedDrawsTheSameWhateverElseIsComputed) {
  Harness harness({}, true);
  for (const std::string rules :
       {R"("top-p":0.95)", R"("top-k":40)", R"("min-p":0.02)", R"("top-k":60,"top-p":0.97,"min-p":0.001)"}) {
    const std::string mine = draw(rules + R"(,"temperature":1.5,"seed":1099511627783)");
    const std::string alone = drawn(harness, {mine})[0];
    ASSERT_EQ(std::ranges::count(alone, ' '), 15) << alone;
    const auto before = harness.engine.stats(0);
    // Others with the same beginning and another seed, with another beginning, without a seed; and the same once more.
    const auto results =
        drawn(harness, {draw(rules + R"(,"temperature":1.5,"seed":8)"),
                        draw(R"("prompt":"a much longer text than that of the others, to be read in between")"),
                        draw(rules), draw(R"("temperature":0)"), mine});
    EXPECT_EQ(results.back(), alone) << rules;
    EXPECT_NE(results.front(), alone) << rules << ": another seed";
    const auto after = harness.engine.stats(0);
    EXPECT_LT(after.steps - before.steps, 16 * results.size()) << "no step was shared: the test says nothing";
  }
}

TEST(Guest, EachRuleLeavesTheFirstWhenItIsAtItsEnd) {
  Harness harness({}, true);
  const auto results =
      drawn(harness, {draw(R"("temperature":0,"top-p":0.5,"seed":9)"), draw(R"("top-k":1,"temperature":3,"seed":4)"),
                      draw(R"("top-p":0,"temperature":3,"seed":5)"), draw(R"("min-p":1,"temperature":3,"seed":6)"),
                      draw(R"("temperature":3,"seed":6)")});
  for (size_t i = 1; i < 4; ++i) EXPECT_EQ(results[i], results[0]) << i;
  EXPECT_NE(results[4], results[0]);
}

TEST(Guest, ADrawWithoutCutsIsTheMultinomialOfTheSameSeed) {
  Harness harness({}, true);
  const auto with = [](const char* seed) { return R"({"mode":"draw-both-ways","seed":)" + std::string(seed) + "}"; };
  const auto results = drawn(harness, {with("1"), with("2"), with("3")});
  for (const std::string& result : results) {
    unsigned a[3], b[3];
    ASSERT_EQ(std::sscanf(result.c_str(), "%u %u, %u %u, %u %u", &a[0], &b[0], &a[1], &b[1], &a[2], &b[2]), 6)
        << result;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(a[i], b[i]);
  }
  EXPECT_FALSE(results[0] == results[1] && results[1] == results[2]);
}

TEST(Guest, ADrawOutOfItsRangeIsAnErrorThatSaysWhich) {
  Harness harness({}, true);
  const auto result = harness.run_guest("probe", R"({"mode":"draw-misuse"})");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result,
            "[pass] temperature; got -1, need a number from 0 up\n"
            "[pass] temperature; got inf, need a number from 0 up\n"
            "[pass] top-p; got 1.5, need a number from 0 to 1\n"
            "[pass] min-p; got nan, need a number from 0 to 1\n"
            "[pass] sampler index; got 3, need less than the 3 input tokens");
}

TEST(Guest, AGrammarHoldsTheTextToItsLanguage) {
  Harness harness({}, true);
  auto result = harness.run_guest("probe", R"({"mode":"grammar"})");
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_EQ(result->size(), 6u) << *result;
  for (size_t i = 0; i < 6; i += 2) {
    EXPECT_TRUE(result->substr(i, 2) == "ab" || result->substr(i, 2) == "cd") << *result;
  }
}

TEST(Guest, AConversationInTheModelsForm) {
  Harness harness({}, true);
  auto result = harness.run_guest("probe", R"({"mode":"chat"})");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result,
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
            "<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n<|im_end|>\n");
}

TEST(Guest, ReasoningIsTakenOutOfTheText) {
  Harness harness({}, true);
  auto result = harness.run_guest("probe", R"({"mode":"reasoning"})");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, "[][start][hm][complete hmhm][]");
}

TEST(Guest, ToolCallsAreReadAndAnswered) {
  Harness harness({}, true);
  auto result = harness.run_guest("probe", R"({"mode":"tools"})");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result,
            "start\ncall add{\"a\":1}\nerror [tools] call; got text that is no JSON: no\n"
            "[tools] description; got JSON nested deeper than 64\n"
            "[tools] template; got a model whose template takes no tools\n"
            "matches\ndoes not match\nno form\n"
            "<|im_start|>tool\n3<|im_end|>\n");
}

TEST(Guest, WhatItLeavesOpenIsTakenBack) {
  Harness harness({}, true);
  auto result = harness.run_guest("probe", R"({"mode":"leave-open"})");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message.substr(0, 14), "[guest] trap: ");
  for (int i = 0; i < 500; ++i) {  // a step under way ends first
    auto stats = harness.engine.stats(0);
    if (stats.contexts == 0 && stats.requests_running == 0 && stats.requests_waiting == 0) break;
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_EQ(harness.engine.stats(0).contexts, 0);
  EXPECT_EQ(harness.engine.stats(0).requests_running, 0);
}

long resident_kb() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
  }
  return 0;
}
double cpu_ms() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

TEST(Guest, AThousandWaitWithLittleMemoryAndNoTime) {
  constexpr size_t kGuests = 1000;
  Harness harness;
  auto program = harness.runtime->load(guest("probe"));
  ASSERT_TRUE(program);
  long before = resident_kb();
  std::vector<Record> records(kGuests);
  std::vector<std::unique_ptr<Process>> processes;
  for (Record& record : records) {
    auto process = harness.runtime->launch(*program, R"({"mode":"wait"})", {}, "anna", record.events());
    ASSERT_TRUE(process);
    processes.push_back(*std::move(process));
  }
  double spent = cpu_ms();
  for (int quiet = 0; quiet < 3;) {  // until all have come to their wait
    std::this_thread::sleep_for(milliseconds(100));
    double now = cpu_ms();
    quiet = now - spent < 5 ? quiet + 1 : 0;
    spent = now;
  }
  std::this_thread::sleep_for(milliseconds(500));
  EXPECT_LT(cpu_ms() - spent, 20);
  long used = resident_kb() - before;
  RecordProperty("kb_per_guest", std::to_string(used / static_cast<long>(kGuests)));
  EXPECT_LT(used, 200 << 10);
  for (auto& process : processes) process->send("go");
  for (Record& record : records) {
    auto result = record.wait();
    ASSERT_TRUE(result && *result);
    EXPECT_EQ(**result, "go");
    EXPECT_EQ(record.exits, 1);
  }
}

TEST(CodeCache, SecondLoadTakesTheCodeAndDamageIsNoticed) {
  Harness folder_of;
  RuntimeOptions options;
  options.code_cache = folder_of.folder / "code";
  auto files = [&] {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(options.code_cache)) found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    return found;
  };
  auto load = [&] {
    Harness harness(options);
    auto result = harness.run_guest("probe", R"({"mode":"who"})");
    EXPECT_TRUE(result) << result.error().message;
  };
  load();
  auto first = files();
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].extension(), ".cwasm");
  struct stat status{};
  ASSERT_EQ(::stat(options.code_cache.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  ASSERT_EQ(::stat(first[0].c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);

  auto time = std::filesystem::last_write_time(first[0]);
  load();
  EXPECT_EQ(std::filesystem::last_write_time(first[0]), time);  // used, not written again

  auto code = read_file(first[0]);
  ASSERT_TRUE(code);
  std::string damaged = *code;
  damaged[damaged.size() / 2] ^= 1;
  ASSERT_TRUE(write_file(first[0], damaged, 0600));
  load();
  EXPECT_EQ(*read_file(first[0]), *code);  // built anew

  ASSERT_TRUE(write_file(first[0], code->substr(0, 100), 0600));
  load();
  EXPECT_EQ(*read_file(first[0]), *code);
  ASSERT_EQ(::chmod(first[0].c_str(), 0666), 0);  // others may write it: not to be trusted
  load();
  ASSERT_EQ(::stat(first[0].c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

}  // namespace
}  // namespace hearth::inferlet
#endif
