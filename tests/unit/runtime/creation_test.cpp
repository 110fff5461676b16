// What making a session costs: memory that is not taken, pages of the model's file that are given back.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <random>

#include "base/file.h"
#include "graph/text.h"
#include "import/onnx/write_onnx.h"
#include "runtime/session.h"
#include "support/temporary_folder.h"

namespace hearth::runtime {
namespace {

Tensor random_tensor(const Dims& dims, uint32_t seed) {
  Tensor made = *Tensor::allocate(DType::F32, dims);
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> numbers(-0.1F, 0.1F);
  for (int64_t i = 0; i < made.size(); ++i) made.mutable_data<float>()[i] = numbers(random);
  return made;
}

// A line of /proc/self/status, in bytes.
size_t status(std::string_view name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name)) return std::stoul(line.substr(name.size() + 1)) * 1024;
  return 0;
}

// Resident bytes of what this process has mapped of a file.
size_t resident_of(const std::filesystem::path& path) {
  std::ifstream smaps("/proc/self/smaps");
  bool within = false;
  size_t sum = 0;
  for (std::string line; std::getline(smaps, line);) {
    size_t kilobytes = 0;
    if (line.find('-') != line.npos && line.find(' ') != line.npos && line.find(" r") != line.npos)
      within = line.ends_with(path.string());
    else if (within && std::sscanf(line.c_str(), "Rss: %zu kB", &kilobytes) == 1)
      sum += kilobytes * 1024;
  }
  return sum;
}

class CreationTest : public testing::Test {
 protected:
  // The text's model with these weights in the place of its constants, in a file. `name`: moves the weights in it.
  void write(std::string_view text, std::vector<std::pair<std::string, Tensor>> weights, std::string_view name = "n") {
    auto model = graph::parse_text(text);
    ASSERT_TRUE(model) << model.error().message;
    model->doc = name;
    for (auto& [weight, tensor] : weights) {
      const graph::ValueId id = model->graph.find_value(weight);
      ASSERT_NE(id, graph::kNoValue) << weight;
      model->graph.value(id).type =
          graph::Type::tensor(tensor.dtype(), graph::Shape(tensor.dims().begin(), tensor.dims().end()));
      model->graph.value(id).constant = std::move(tensor);
    }
    const auto done = import::write_onnx(*model, path_);
    ASSERT_TRUE(done) << done.error().message;
  }
  std::unique_ptr<Session> open(SessionOptions options = {}) {
    options.threads = 2;
    auto session = Session::open(path_, std::move(options));
    EXPECT_TRUE(session) << session.error().message;
    return session ? std::move(*session) : nullptr;
  }
  static std::vector<float> run(Session& session, Tensor x) {
    const Feed feed{"x", std::move(x)};
    const auto made = session.run(std::span(&feed, 1));
    EXPECT_TRUE(made) << made.error().message;
    if (!made) return {};
    const Tensor& y = *(*made)[0].tensor();
    return {y.data<float>(), y.data<float>() + y.size()};
  }
  static void expect_near(const std::vector<float>& got, const std::vector<float>& wanted, std::string_view what) {
    ASSERT_EQ(got.size(), wanted.size()) << what;
    ASSERT_FALSE(wanted.empty());
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], wanted[i], 1e-4F * std::max(1.0F, std::abs(wanted[i]))) << what << ", element " << i;
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "model.onnx";
};

constexpr std::string_view kClassifier = R"(<ir_version: 8, opset_import: ["": 17]>
g (float[N,64,4,4] x) => (float[N,4096] y) <float[1] c = {0}, float[1] w = {0}, float[1] s = {0}, float[1] t = {0}, float[1] m = {0}, float[1] v = {0}> {
  a = Conv (x, c)  r = Relu (a)  f = Flatten (r)  g = Gemm <transB = 1> (f, w)  y = BatchNormalization (g, s, t, m, v)
})";

std::vector<std::pair<std::string, Tensor>> classifier_weights() {
  Tensor variance = *Tensor::allocate(DType::F32, {4096});
  for (int64_t i = 0; i < variance.size(); ++i) variance.mutable_data<float>()[i] = 0.5F + static_cast<float>(i % 7);
  return {{"c", random_tensor({64, 64, 1, 1}, 1)}, {"w", random_tensor({4096, 1024}, 2)},
          {"s", random_tensor({4096}, 3)},         {"t", random_tensor({4096}, 4)},
          {"m", random_tensor({4096}, 5)},         {"v", std::move(variance)}};
}

// Whether what the process has resident is its own: a sanitizer keeps a shadow of it, and what was freed.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryIsOurs = false;
#else
constexpr bool kMemoryIsOurs = true;
#endif

TEST_F(CreationTest, AWeightIsReadOnceAndItsPagesGoBack) {
  constexpr size_t kWeight = size_t{4096} * 1024 * 4;
  // What each thread has read of a part that is not packed yet, and the rest.
  constexpr size_t kMargin = size_t{12} << 20;
  for (const std::string_view name : {"a", "ab", "abc", "abcd"}) {  // one of them puts the weight at an aligned place
    write(kClassifier, classifier_weights(), name);
    {
      std::ofstream("/proc/self/clear_refs") << "5";
    }  // the peak begins anew
    const size_t before = status("VmRSS:");
    if (kMemoryIsOurs) {
      ASSERT_LT(status("VmHWM:"), before + kMargin) << "the peak cannot be set back here";
    }
    const auto session = open();
    ASSERT_NE(session, nullptr);
    // Packed once. A turned, multiplied or reordered copy, or the file's pages, would each be as much again.
    if (kMemoryIsOurs) {
      EXPECT_LT(status("VmHWM:"), before + kWeight + kMargin) << name;
    }
    EXPECT_LT(resident_of(path_), size_t{1} << 20) << name;
  }
}

TEST_F(CreationTest, FactorsAndOrdersOfWeightsAreRightWhereverTheyArePacked) {
  for (const std::string_view name : {"a", "ab", "abc", "abcd"}) {
    write(kClassifier, classifier_weights(), name);
    const Tensor x = random_tensor({2, 64, 4, 4}, 9);
    const auto plain = open({.level = OptLevel::None});
    ASSERT_NE(plain, nullptr);
    const std::vector<float> wanted = run(*plain, x);
    for (const OptLevel level : {OptLevel::Basic, OptLevel::Extended, OptLevel::All})
      expect_near(run(*open({.level = level}), x), wanted, fmt::format("level {}", static_cast<int>(level)));
    for (const std::string pass : {"pack_weights", "channels_last", "recognise_matmul", "fold_batch_norm"})
      expect_near(run(*open({.disabled_passes = {pass}}), x), wanted, "without " + pass);
    SessionOptions writable{.keep_weights = true};
    for (const passes::PassInfo& pass : passes::all_passes())
      if (pass.internal) writable.disabled_passes.emplace_back(pass.name);
    const auto kept = open(writable);
    expect_near(run(*kept, x), wanted, "weights kept");
    ASSERT_TRUE(import::write_onnx(kept->model(), folder_ / "folded.onnx"));
    const auto folded = Session::open(folder_ / "folded.onnx", {.level = OptLevel::None});
    ASSERT_TRUE(folded) << folded.error().message;
    EXPECT_EQ((*folded)->model().graph.nodes.size(), 4u);
    expect_near(run(**folded, x), wanted, "written");
  }
}

TEST_F(CreationTest, APlainMatrixBehindAChannelsLastFlatten) {
  write(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[N,6,5,5] x) => (float[N,300] y) <float[1] c = {0}, float[1] w = {0}, float[1] s = {0}> {
  a = Conv <pads = [1, 1, 1, 1]> (x, c)  f = Flatten (a)  g = MatMul (f, w)  y = Mul (g, s)
})",
        {{"c", random_tensor({6, 6, 3, 3}, 1)}, {"w", random_tensor({150, 300}, 2)}, {"s", random_tensor({300}, 3)}});
  const Tensor x = random_tensor({3, 6, 5, 5}, 4);
  const std::vector<float> wanted = run(*open({.level = OptLevel::None}), x);
  expect_near(run(*open(), x), wanted, "level 3");
  expect_near(run(*open({.level = OptLevel::Extended}), x), wanted, "level 2");
  const std::vector<float> rounded = run(*open({.precision = Precision::BF16}), x);
  ASSERT_EQ(rounded.size(), wanted.size());
  for (size_t i = 0; i < rounded.size(); ++i) ASSERT_NEAR(rounded[i], wanted[i], 1e-3) << i;
}

TEST_F(CreationTest, FactorsThatCouldMakeAWeightInfiniteAreNotPutIn) {
  Tensor w = random_tensor({8, 8, 1, 1}, 1), s = random_tensor({8, 1, 1}, 2);
  for (int64_t i = 0; i < w.size(); ++i) w.mutable_data<float>()[i] = 1e30F;
  for (int64_t i = 0; i < s.size(); ++i) s.mutable_data<float>()[i] = 1e20F;
  write(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[1,8,3,3] x) => (float[1,8,3,3] y) <float[1] w = {0}, float[1] s = {0}> { c = Conv (x, w)  y = Mul (c, s) })",
        {{"w", w}, {"s", s}});
  Tensor x = random_tensor({1, 8, 3, 3}, 3);
  for (int64_t i = 0; i < x.size(); ++i) x.mutable_data<float>()[i] = 1e-30F;
  const std::vector<float> made = run(*open(), x);
  ASSERT_FALSE(made.empty());
  EXPECT_NEAR(made[0], 8e20, 1e16);
}

TEST_F(CreationTest, ATableOfEmbeddingsStaysInTheFile) {
  constexpr size_t kTable = size_t{16384} * 512 * 4;
  for (const std::string_view name : {"a", "ab", "abc", "abcd"}) {
    write(R"(<ir_version: 8, opset_import: ["": 17]>
g (int64[N] x) => (float[N,512] y) <float[1] w = {0}> { y = Gather (w, x) })",
          {{"w", random_tensor({16384, 512}, 1)}}, name);
    const size_t before = status("VmRSS:");
    const auto session = open();
    ASSERT_NE(session, nullptr);
    const Tensor x = Tensor::of<int64_t>(DType::I64, {2}, std::array<int64_t, 2>{16383, -2});
    const std::vector<float> made = run(*session, x);
    const Tensor table = random_tensor({16384, 512}, 1);
    ASSERT_EQ(made.size(), 1024u);
    EXPECT_EQ(made[5], table.data<float>()[16383 * 512 + 5]);
    EXPECT_EQ(made[512], table.data<float>()[16382 * 512]);
    if (kMemoryIsOurs) {
      EXPECT_LT(status("VmRSS:"), before + kTable + (size_t{8} << 20)) << "the test's own table, and no other";
    }
  }
}

}  // namespace
}  // namespace hearth::runtime
