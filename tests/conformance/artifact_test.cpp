// Files of the cross-backend protocol: round trips, and what hostile ones meet.
#include "ops/conformance/artifact.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "base/file.h"
#include "support/temporary_folder.h"

namespace hearth::ops::conformance {
namespace {

namespace fs = std::filesystem;

class ArtifactFiles : public testing::Test {
 protected:
  Artifact written(std::string_view op_name, std::string_view case_name, const CaseTypes& types = {}) {
    auto device = open_device("ref");
    auto made = make_case(*find_op(op_name), case_name, types);
    EXPECT_TRUE(made) << made.error().message;
    auto run = run_case(**device, *made);
    EXPECT_TRUE(run) << run.error().message;
    Artifact a{*made, run->outputs, tolerance_of(*made), "ref", "scalar", run->kernel, "test"};
    const auto ok = write_artifact(folder_, a);
    EXPECT_TRUE(ok) << ok.error().message;
    return a;
  }

  std::string meta() { return *read_file(folder_ / "meta.json"); }

  // Rewrites meta.json with the first `from` replaced and gives the error of reading it.
  std::string error_after(std::string_view from, std::string_view to) {
    std::string text = meta();
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at == std::string::npos) return "";
    const std::string original = text;
    text.replace(at, from.size(), to);
    EXPECT_TRUE(write_file(folder_ / "meta.json", text));
    const auto result = read_artifact(folder_);
    EXPECT_TRUE(write_file(folder_ / "meta.json", original));
    return result ? "accepted" : result.error().message;
  }

  const TemporaryFolder temporary_;
  const fs::path folder_ = temporary_ / "artifact";
};

TEST_F(ArtifactFiles, RoundTripKeepsEveryOpsTensorsAndAttributes) {
  for (const OpInfo& op : inventory()) {
    const Artifact a = written(op.name, cases_of(op.op).cases[2].name);
    const auto b = read_artifact(folder_);
    ASSERT_TRUE(b) << b.error().message;
    EXPECT_EQ(b->op_case.op, &op);
    EXPECT_EQ(b->op_case.attributes.size(), a.op_case.attributes.size());
    for (size_t i = 0; i < a.op_case.attributes.size(); ++i)
      EXPECT_EQ(static_cast<float>(b->op_case.attributes[i]), static_cast<float>(a.op_case.attributes[i]));
    EXPECT_EQ(b->tolerance, a.tolerance);
    for (size_t i = 0; i < a.op_case.inputs.size(); ++i) {
      EXPECT_EQ(b->op_case.inputs[i].bytes, a.op_case.inputs[i].bytes) << op.name;
      EXPECT_EQ(b->op_case.inputs[i].absent, a.op_case.inputs[i].absent) << op.name;
    }
    for (size_t i = 0; i < a.outputs.size(); ++i) {
      EXPECT_EQ(b->outputs[i].bytes, a.outputs[i].bytes) << op.name;
      EXPECT_EQ(b->op_case.outputs[i].bytes, a.op_case.outputs[i].bytes) << op.name;
    }
    auto device = open_device("ref");
    const auto again = run_case(**device, b->op_case);
    ASSERT_TRUE(again) << again.error().message;
    const Comparison same = compare(b->op_case, b->outputs, again->outputs, 0);
    EXPECT_TRUE(same.ok) << op.name << ": " << same.worst;
  }
}

TEST_F(ArtifactFiles, ADifferenceIsFound) {
  Artifact a = written("softmax", "odd");
  auto outputs = a.outputs;
  const float wrong = 0.5f;
  std::memcpy(outputs[0].bytes.data() + 17 * sizeof(float), &wrong, sizeof wrong);
  const Comparison c = compare(a.op_case, a.outputs, outputs, a.tolerance);
  EXPECT_FALSE(c.ok);
  EXPECT_NE(c.worst.find("y[17]; got 0.5"), std::string::npos) << c.worst;
}

TEST_F(ArtifactFiles, PrecisionComesFromTheFiles) {
  written("softmax", "odd", {.activation = DType::BF16});
  const auto a = read_artifact(folder_);
  ASSERT_TRUE(a);
  EXPECT_EQ(a->op_case.types.activation, DType::BF16);
  EXPECT_EQ(tolerance_of(a->op_case), info(Op::Softmax).tolerance_bf16);
}

TEST_F(ArtifactFiles, TruncatedAndMissingFiles) {
  written("rms_norm", "odd");
  fs::resize_file(folder_ / "input_x.bin", 100);
  auto result = read_artifact(folder_);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("size; got 100 bytes, need 3668 (tensor x)"), std::string::npos)
      << result.error().message;
  fs::remove(folder_ / "input_x.bin");
  EXPECT_FALSE(read_artifact(folder_));
  fs::resize_file(folder_ / "meta.json", 40);
  result = read_artifact(folder_);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("got no JSON object"), std::string::npos);
  EXPECT_FALSE(read_artifact(folder_ / "nowhere"));
}

TEST_F(ArtifactFiles, HostileMeta) {
  written("rms_norm", "odd");
  const auto has = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
  EXPECT_TRUE(has(error_after("\"rms_norm\"", "\"rm_rf\""), "which the inventory lacks"));
  EXPECT_TRUE(has(error_after("\"input_x.bin\"", "\"../meta.json\""), "need a plain file name"));
  EXPECT_TRUE(has(error_after("\"input_x.bin\"", "\"/etc/passwd\""), "need a plain file name"));
  EXPECT_TRUE(has(error_after("\"input_x.bin\"", "7"), "need a text"));
  EXPECT_TRUE(has(error_after("131", "9007199254740993"), "need whole numbers up to"));
  EXPECT_TRUE(has(error_after("131", "-1"), "need whole numbers up to"));
  EXPECT_TRUE(has(error_after("131", "1.5"), "need whole numbers up to"));
  EXPECT_TRUE(has(error_after("131", "268435456"), "need at most"));
  EXPECT_TRUE(has(error_after("\"row_padding\": 0.0,\n \"seed\"", "\"row_padding\": 1e300,\n \"seed\""),
                  "need a whole number from 0"));
  EXPECT_TRUE(has(error_after("\"in_place\": -1", "\"in_place\": 1"), "need an input of the output's type and shape"));
  EXPECT_TRUE(has(error_after("\"in_place\": -1", "\"in_place\": 11"), "in_place"));
  EXPECT_TRUE(has(error_after("\"pack_sources\": 0", "\"pack_sources\": 3"), "only the weights"));
  EXPECT_TRUE(has(error_after("\"hearth-op-protocol-1\"", "\"other\""), "need \"hearth-op-protocol-1\""));
  EXPECT_TRUE(has(error_after("\"tolerance\": ", "\"tolerance\": -"), "need 0 or more"));
  EXPECT_TRUE(has(error_after("\"eps\"", "\"epsilon\""), "\"eps\"; need a number"));
}

TEST_F(ArtifactFiles, HostileAttributesAreRefusedBeforeAKernelSeesThem) {
  written("conv2d", "groups");
  const auto run_with = [&](std::string_view from, std::string_view to) {
    std::string text = meta();
    const std::string original = text;
    text.replace(text.find(from), from.size(), to);
    EXPECT_TRUE(write_file(folder_ / "meta.json", text));
    const auto a = read_artifact(folder_);
    EXPECT_TRUE(write_file(folder_ / "meta.json", original));
    if (!a) return a.error().message;
    for (const char* backend : {"ref", "cpu"}) {
      auto device = open_device(backend);
      const auto run = run_case(**device, a->op_case);
      if (!run) return run.error().message;
    }
    return std::string("accepted");
  };
  const auto has = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
  EXPECT_EQ(run_with("\"stride_width\": 1.0", "\"stride_width\": 1"), "accepted");
  EXPECT_TRUE(has(run_with("\"stride_width\": 1.0", "\"stride_width\": 0"), "strides and dilations; got 0"));
  EXPECT_TRUE(has(run_with("\"groups\": 3.0", "\"groups\": -3"), "groups; got -3"));
  EXPECT_TRUE(has(run_with("\"algorithm\": 0.0", "\"algorithm\": 9"), "algorithm; got 9"));
  EXPECT_TRUE(has(run_with("\"activation\": 1.0", "\"activation\": 1000000"), "activation; got 1000000"));
  EXPECT_EQ(run_with("\"dilation_height\": 1.0", "\"dilation_height\": 2147483647"), "accepted");  // all in the pads
  EXPECT_EQ(run_with("\"pad_top\": 1.0", "\"pad_top\": 2147483647"), "accepted");
}

TEST_F(ArtifactFiles, HostileValuesMeetTheKernelsChecks) {
  written("gather_rows", "odd");
  std::fstream ids(folder_ / "input_ids.bin", std::ios::in | std::ios::out | std::ios::binary);
  const int32_t far = 1 << 30;
  ids.write(reinterpret_cast<const char*>(&far), sizeof far);
  ids.close();
  const auto a = read_artifact(folder_);
  ASSERT_TRUE(a);
  for (const char* backend : {"ref", "cpu"}) {
    auto device = open_device(backend);
    ASSERT_TRUE(device);
    const auto run = run_case(**device, a->op_case);
    ASSERT_FALSE(run);
    EXPECT_EQ(run.error().kind, ErrorKind::Invalid) << run.error().message;
  }
}

// Kernels of every backend hold lists of indices against what exists: nothing is read or written outside.
TEST_F(ArtifactFiles, HostileListsOfAttentionAndCaches) {
  struct Change {
    const char *op, *case_name;
    size_t input;
    int32_t value;
  };
  const Change changes[] = {{"paged_attention", "ragged", 3, 1 << 30}, {"paged_attention", "ragged", 3, -5},
                            {"paged_attention", "ragged", 4, 1 << 30}, {"paged_attention", "ragged", 4, -1},
                            {"paged_attention", "ragged", 5, 1 << 30}, {"paged_attention", "ragged", 5, -1},
                            {"paged_attention", "ragged", 6, 1 << 30}, {"paged_attention", "ragged", 6, -1},
                            {"paged_attention", "mask", 8, 1 << 30},   {"kv_write", "odd", 2, 1 << 30},
                            {"copy_pages", "odd", 0, 1 << 30},         {"copy_pages", "odd", 0, -1},
                            {"copy_pages", "odd", 1, 1 << 30},         {"copy_pages", "odd", 1, -1}};
  for (const Change& change : changes)
    for (const auto& [backend, isa] : {std::pair{"ref", ""}, {"cpu", "portable"}, {"cpu", "avx2"}, {"cpu", "avx512"}}) {
      auto device = open_device(backend, {.isa = isa});
      if (!device) continue;  // a set this machine lacks
      for (const bool last : {false, true}) {
        auto made = make_case(*find_op(change.op), change.case_name, {});
        ASSERT_TRUE(made);
        auto& bytes = made->inputs[change.input].bytes;
        std::memcpy(bytes.data() + (last ? bytes.size() - 4 : 0), &change.value, 4);
        const auto run = run_case(**device, *made);
        EXPECT_FALSE(run) << backend << isa << " took " << change.value << " in input " << change.input << " of "
                          << change.op << (last ? " at the end" : " at the start");
      }
    }
}

}  // namespace
}  // namespace hearth::ops::conformance
