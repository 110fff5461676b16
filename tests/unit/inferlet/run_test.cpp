// What becomes of a guest: its value, its error, traps, limits, and files that are no guests.
#include <gtest/gtest.h>

#include <thread>

#include "harness.h"

namespace hearth::inferlet {
namespace {

using std::chrono::milliseconds;

Wat spin() {
  Wat wat;
  wat.body = "(loop $l (br $l)) unreachable";
  return wat;
}

TEST(Run, GivesTheValueOfRun) {
  Harness harness;
  auto result = harness.run(echo(), "{\"prompt\": \"héllo\"}");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, "{\"prompt\": \"héllo\"}");
}

TEST(Run, GivesTheErrorOfRunWordForWord) {
  Harness harness;
  Wat wat;
  wat.body = answer("(i32.const 1)", "(local.get $p)", "(local.get $n)");
  auto result = harness.run(wat, "out of ideas");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "out of ideas");
}

TEST(Run, ProgramKnowsItsName) {
  Harness harness;
  auto program = harness.load(echo());
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_EQ((*program)->name(), "test");
}

TEST(Run, TrapIsAnErrorThatSaysWhy) {
  Harness harness;
  Wat wat;
  wat.body = "unreachable";
  auto result = harness.run(wat);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::Invalid);
  EXPECT_EQ(result.error().message, "[guest] trap: wasm trap: wasm `unreachable` instruction executed");
}

TEST(Run, SpinningGuestEndsAtItsTimeLimit) {
  Harness harness({.time_ms = 100});
  auto start = std::chrono::steady_clock::now();
  auto result = harness.run(spin());
  auto took = std::chrono::steady_clock::now() - start;
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::Limit);
  EXPECT_EQ(result.error().message, "[guest] time limit; got more than 100 ms of wall time");
  EXPECT_GE(took, milliseconds(100));
  EXPECT_LT(took, milliseconds(2000));
}

TEST(Run, SpinningGuestsAreCancelledAndLetOthersRun) {
  Harness harness({.worker_threads = 2});
  Record spinners[4];
  std::unique_ptr<Process> processes[4];
  for (int i = 0; i < 4; ++i) processes[i] = harness.launch(spin(), spinners[i]);
  auto result = harness.run(echo(), "through");  // with every worker busy
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, "through");
  auto start = std::chrono::steady_clock::now();
  for (auto& process : processes) process->cancel();
  for (auto& spinner : spinners) {
    auto end = spinner.wait();
    ASSERT_TRUE(end);
    ASSERT_FALSE(*end);
    EXPECT_EQ(end->error().kind, ErrorKind::Cancelled);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(500));
}

TEST(Run, CancelReachesAGuestWhereverItSpins) {
  Wat start = echo(), fills = spin(), calls = spin();
  start.functions = "(func $forever (loop $l (br $l))) (start $forever)";
  fills.memory = "512";
  fills.body = "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 33554432)) (br $l)) unreachable";
  calls.imports = R"((import "wasi:random/random@0.2.0" (instance $r (export "get-random-u64" (func (result u64))))))";
  calls.lowered = R"((core func $f (canon lower (func $r "get-random-u64"))))";
  calls.core_imports = R"((with "host" (instance (export "f" (func $f)))))";
  calls.module_imports = R"((import "host" "f" (func $f (result i64))))";
  calls.body = "(loop $l (drop (call $f)) (br $l)) unreachable";
  for (const auto& [where, wat] : {std::pair{"its loop", spin()}, std::pair{"its start", start},
                                   std::pair{"bulk memory", fills}, std::pair{"host calls", calls}}) {
    Record record;
    Harness harness({.worker_threads = 1});
    auto process = harness.launch(wat, record);
    ASSERT_TRUE(process) << where;
    EXPECT_FALSE(record.wait(milliseconds(50))) << where;
    auto begin = std::chrono::steady_clock::now();
    process->cancel();
    auto end = record.wait();
    ASSERT_TRUE(end) << where;
    ASSERT_FALSE(*end) << where;
    EXPECT_EQ(end->error().kind, ErrorKind::Cancelled) << where;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(500)) << where;
  }
}

TEST(Run, MemoryBeyondTheLimitTraps) {
  Harness harness({.memory_bytes = 1 << 20});
  Wat wat;
  wat.body = "(drop (memory.grow (i32.const 64))) " + answer("(i32.const 0)", "(local.get $p)", "(local.get $n)");
  auto result = harness.run(wat, "x");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::Limit);
  EXPECT_EQ(result.error().message, "[guest] memory limit; got 4259840 bytes, need at most 1048576");
  Wat small;
  small.body = "(drop (memory.grow (i32.const 8))) " + answer("(i32.const 0)", "(local.get $p)", "(local.get $n)");
  Harness other({.memory_bytes = 1 << 20});
  EXPECT_TRUE(other.run(small, "x"));
}

TEST(Run, StackOverflowIsATrap) {
  Harness harness;
  Wat wat;
  wat.functions = "(func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))";
  wat.body = "(call $deep (i32.const 0))";
  auto result = harness.run(wat);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "[guest] trap: wasm trap: call stack exhausted");
}

TEST(Load, RefusesWhatIsNoComponent) {
  Harness harness;
  auto load = [&](const std::string& bytes) {
    auto program = harness.runtime->load(harness.write("x.wasm", bytes));
    EXPECT_FALSE(program);
    return program ? std::string() : program.error().message;
  };
  EXPECT_EQ(load("hello"), "[x.wasm] [wasm] kind of file; got bytes that are no WebAssembly, need a component");
  EXPECT_EQ(load(""), "[x.wasm] [wasm] kind of file; got bytes that are no WebAssembly, need a component");
  EXPECT_EQ(load(std::string("\0asm\x01\0\0\0", 8)),
            "[x.wasm] [wasm] kind of file; got a core module, need a component: build it with `pie build`, or "
            "componentise it");
  EXPECT_NE(load(std::string("\0asm\x0d\0\x01\0garbage", 15)).find("[x.wasm] [wasm] component; got "),
            std::string::npos);
  EXPECT_NE(harness.runtime->load(harness.folder / "absent.wasm").error().message.find("absent.wasm"),
            std::string::npos);
}

TEST(Load, RefusesAComponentWithoutRun) {
  Harness harness;
  auto program = harness.runtime->load(harness.write("x.wasm", "(component)"));
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().message,
            "[x.wasm] [wasm] component; got no export run; got none, need pie:NAME/run or run: "
            "func(string) -> result<string, string>");
}

TEST(Load, NamesAnUnknownImport) {
  Harness harness;
  Wat wat = echo();
  wat.imports = "(import \"acme:rockets/launch@1.0.0\" (instance (export \"go\" (func))))";
  auto program = harness.load(wat);
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().kind, ErrorKind::Unsupported);
  EXPECT_EQ(program.error().message, "[guest.wat] [wasm] imports; unknown import acme:rockets/launch@1.0.0");
  wat.imports = "(import \"pie:core/session\" (instance (export \"teleport\" (func))))";
  EXPECT_EQ(harness.load(wat).error().message, "[guest.wat] [wasm] imports; unknown import pie:core/session#teleport");
}

// A guest that sends its input to the client through an import of this name, and gives it back.
Wat sender(const std::string& interface) {
  Wat wat = echo();
  wat.imports = "(import \"" + interface + R"(" (instance $host (export "send" (func (param "message" string))))))";
  wat.lowered = R"((core func $send (canon lower (func $host "send") (memory $mem) (realloc $realloc))))";
  wat.core_imports = R"((with "host" (instance (export "send" (func $send)))))";
  wat.module_imports = R"((import "host" "send" (func $send (param i32 i32))))";
  wat.body = "(call $send (local.get $p) (local.get $n)) " + wat.body;
  return wat;
}

TEST(Load, ServesEveryVersionOfTheLine) {
  for (const char* name :
       {"pie:core/session", "pie:core/session@0.4.0", "pie:core/session@0.4.7", "pie:core/session@0.4.0+build.5"}) {
    Harness harness;
    const auto result = harness.run(sender(name), "hello");
    ASSERT_TRUE(result) << name << ": " << result.error().message;
    EXPECT_EQ(*result, "hello");
    EXPECT_EQ(harness.last.messages, std::vector<std::string>{"hello"}) << name;
  }
}

TEST(Load, AnImportOfAnotherVersionNamesThoseThatAreServed) {
  Harness harness;
  for (const char* version : {"0.3.9", "0.5.0", "1.0.0", "0.4.0-rc.1"}) {
    const auto program = harness.load(sender("pie:core/session@" + std::string(version)));
    ASSERT_FALSE(program) << version;
    EXPECT_EQ(program.error().kind, ErrorKind::Unsupported);
    EXPECT_EQ(program.error().message, "[guest.wat] [wasm] imports; import pie:core/session@" + std::string(version) +
                                           " has a version that is not served; got " + version +
                                           ", need none or 0.4.x");
  }
  Wat wat = echo();
  wat.imports = R"((import "hearth:inferlet/sampling" (instance (export "attach" (func)))))";
  EXPECT_EQ(harness.load(wat).error().message,
            "[guest.wat] [wasm] imports; import hearth:inferlet/sampling has a version that is not served; got none, "
            "need 0.1.x");
  wat.imports = R"((import "wasi:random/random@0.9.0" (instance (export "get-random-u64" (func (result u64))))))";
  EXPECT_EQ(harness.load(wat).error().message,
            "[guest.wat] [wasm] imports; import wasi:random/random@0.9.0 has a version that is not served; got 0.9.0, "
            "need 0.2.x");
}

TEST(Load, NamesAnUnknownFunctionOfAVersion) {
  Harness harness;
  Wat wat = echo();
  wat.imports = "(import \"pie:core/session@0.4.1\" (instance (export \"teleport\" (func))))";
  EXPECT_EQ(harness.load(wat).error().message,
            "[guest.wat] [wasm] imports; unknown import pie:core/session@0.4.1#teleport");
  wat.imports = "(import \"pie:core/session@0.4.1\" (instance (export \"send\" (func (param \"message\" u32)))))";
  EXPECT_EQ(harness.load(wat).error().message,
            "[guest.wat] [wasm] imports; import pie:core/session@0.4.1#send has another type; got func(u32), need "
            "func(string)");
}

TEST(Load, NamesAnImportOfAnotherType) {
  Harness harness;
  Wat wat = echo();
  wat.imports = "(import \"pie:core/session\" (instance (export \"send\" (func (param \"message\" u32)))))";
  auto program = harness.load(wat);
  ASSERT_FALSE(program);
  EXPECT_EQ(
      program.error().message,
      "[guest.wat] [wasm] imports; import pie:core/session#send has another type; got func(u32), need func(string)");
}

TEST(Launch, WaitsForAPlace) {
  Harness harness({.max_instances = 1});
  Record first, second;
  auto spinner = harness.launch(spin(), first);
  auto waiting = harness.launch(echo(), second, "later");
  EXPECT_FALSE(second.wait(milliseconds(100)));
  spinner->cancel();
  auto result = second.wait();
  ASSERT_TRUE(result);
  ASSERT_TRUE(*result) << result->error().message;
  EXPECT_EQ(**result, "later");
}

TEST(Launch, CancelBeforeThereIsAPlace) {
  Record first, second;  // the spinner ends with the harness: its record must outlive it
  Harness harness({.max_instances = 1});
  auto spinner = harness.launch(spin(), first);
  auto waiting = harness.launch(echo(), second);
  waiting->cancel();
  waiting->cancel();
  auto result = second.wait();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->error().kind, ErrorKind::Cancelled);
  EXPECT_EQ(second.exits, 1);
}

TEST(Launch, DroppedHandleDetachesAndTheRuntimeEndsWhatRuns) {
  Record record, spinner;
  {
    Harness harness;
    harness.launch(echo(), record, "on its own");
    auto result = record.wait();
    ASSERT_TRUE(result);
    EXPECT_EQ(**result, "on its own");
    harness.launch(spin(), spinner);
  }
  ASSERT_TRUE(spinner.exit);
  EXPECT_EQ(spinner.exit->error().kind, ErrorKind::Cancelled);
  EXPECT_EQ(spinner.exits, 1);
}

TEST(Options, BadOnesAreErrors) {
  engine::Engine engine{engine::EngineOptions{}};
  EXPECT_EQ(Runtime::create({.max_instances = 0}, engine, {}).error().message,
            "[wasm] max_instances; got 0, need 1 to 100000");
  EXPECT_EQ(Runtime::create({.worker_threads = 0}, engine, {}).error().message,
            "[wasm] worker_threads; got 0, need 1 to 1024");
  EXPECT_EQ(Runtime::create({.memory_bytes = 1}, engine, {}).error().message,
            "[wasm] memory_bytes; got 1, need at least 65536");
  // More address space than there is: an error of wasmtime's, not the end of the process.
  auto huge = Runtime::create({.max_instances = 100'000, .memory_bytes = uint64_t{4} << 30}, engine, {});
  if (!huge) {
    EXPECT_EQ(huge.error().message.substr(0, 6), "[wasm]");
  }
}

}  // namespace
}  // namespace hearth::inferlet
