// What guests built by toolchains of different age import of WASI 0.2, and how they export run.
#include <gtest/gtest.h>

#include "harness.h"

namespace hearth::inferlet {
namespace {

// Calls one function without results of an imported instance, then gives its input back.
Wat calls(const std::string& interface, const std::string& function, const std::string& type,
          const std::string& core_type, const std::string& call) {
  Wat wat = echo();
  wat.imports = "(import \"" + interface + "\" (instance $host (export \"" + function + "\" (func " + type + "))))";
  wat.lowered = "(core func $f (canon lower (func $host \"" + function + "\")))";
  wat.core_imports = "(with \"host\" (instance (export \"f\" (func $f))))";
  wat.module_imports = "(import \"host\" \"f\" (func $f " + core_type + "))";
  wat.body = call + wat.body;
  return wat;
}

TEST(Wasi, VersionsMatchWithin02) {
  for (const char* version : {"0.2.0", "0.2.3", "0.2.12"}) {
    Harness harness;
    auto wat = calls("wasi:random/random@" + std::string(version), "get-random-u64", "(result u64)", "(result i64)",
                     "(drop (call $f))");
    auto result = harness.run(wat, "x");
    EXPECT_TRUE(result) << version << ": " << result.error().message;
  }
  Harness harness;
  auto wat = calls("wasi:random/random@0.9.0", "get-random-u64", "(result u64)", "(result i64)", "(drop (call $f))");
  auto result = harness.load(wat);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("wasi:random/random@0.9.0"), std::string::npos) << result.error().message;
}

TEST(Wasi, ExitEndsTheGuest) {
  auto wat = [](int status) {
    return calls("wasi:cli/exit@0.2.0", "exit", "(param \"status\" (result))", "(param i32)",
                 "(call $f (i32.const " + std::to_string(status) + "))");
  };
  Harness zero;
  auto result = zero.run(wat(0), "x");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, "");
  Harness one;
  result = one.run(wat(1), "x");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "[guest] exit status 1");
}

TEST(Wasi, RunMayBeAPlainExport) {
  Harness harness;
  std::string text = echo().text();
  size_t at = text.find("(instance $exports");
  text.replace(at, text.rfind(')') - at, "(export \"run\" (func $run))");
  auto program = harness.runtime->load(harness.write("plain.wat", text));
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_EQ((*program)->name(), "");
  Record record;
  auto process = harness.runtime->launch(*program, "x", {}, "anna", record.events());
  ASSERT_TRUE(process);
  auto result = record.wait();
  ASSERT_TRUE(result && *result);
  EXPECT_EQ(**result, "x");
}

TEST(Wasi, RunOfAnotherTypeIsRefused) {
  Harness harness;
  auto program = harness.runtime->load(harness.write("x.wat", R"((component
    (core module $m (func (export "run")))
    (core instance $i (instantiate $m))
    (func $run (canon lift (core func $i "run")))
    (export "run" (func $run))))"));
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().message,
            "[x.wat] [wasm] component; got export run has another type; got func(), need func(string) -> "
            "result<string, string>");
}

}  // namespace
}  // namespace hearth::inferlet
