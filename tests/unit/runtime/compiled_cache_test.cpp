#include "runtime/compiled_cache.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "graph/text.h"
#include "import/onnx/write_onnx.h"
#include "import/pfm/write_pfm.h"
#include "runtime/session.h"
#include "support/temporary_folder.h"

namespace hearth::runtime {
namespace {

namespace fs = std::filesystem;

graph::Model model(std::string_view first = "1.0") {
  std::string text = R"(<ir_version: 8, opset_import: ["": 17]>
g (float[N,2,4,4] x, float[2] b) => (float[N,2,4,4] y, float[kept] z)
  <float[2,2,1,1] w = {FIRST, 2.0, 3.0, 4.0}, float[2] b = {1.0, 2.0}, int64[1] flat = {-1},
  float one = {1.0}, float half = {0.5}> {
  a = Conv (x, w)  y = Relu (a)  f = Reshape (x, flat)  m = Greater (f, one)  k = Compress (f, m)  e = Exp (k)
  z = Div (e, half)
})";
  text.replace(text.find("FIRST"), 5, first);
  auto parsed = graph::parse_text(text);
  EXPECT_TRUE(parsed) << parsed.error().message;
  if (!parsed) return {};
  parsed->metadata["author"] = "somebody";
  return std::move(*parsed);
}

class CompiledCacheTest : public testing::Test {
 protected:
  void write(std::string_view first = "1.0") {
    const auto done = import::write_onnx(model(first), source_);
    ASSERT_TRUE(done) << done.error().message;
  }
  std::unique_ptr<Session> open(SessionOptions options = {}) {
    options.cache_dir = folder_ / "cache";
    auto session = Session::open(source_, std::move(options));
    EXPECT_TRUE(session) << session.error().message;
    return session ? std::move(*session) : nullptr;
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_ / "cache")) found.push_back(entry.path());
    return found;
  }
  static std::vector<float> run(Session& session) {
    auto x = Tensor::allocate(DType::F32, {1, 2, 4, 4});
    for (int64_t i = 0; i < x->size(); ++i) x->mutable_data<float>()[i] = static_cast<float>(i % 5) - 1;
    const Feed feed{"x", *x};
    const auto made = session.run(std::span(&feed, 1));
    EXPECT_TRUE(made) << made.error().message;
    if (!made) return {};
    const Tensor& y = *(*made)[0].tensor();
    return {y.data<float>(), y.data<float>() + y.size()};
  }

  TemporaryFolder folder_;
  fs::path source_ = folder_ / "model.onnx";
};

std::vector<std::string> words(const Session& session) {
  std::vector<std::string> made;
  for (const auto* ports : {&session.inputs(), &session.overridable(), &session.outputs()})
    for (const auto& port : *ports) made.push_back(port.name + " " + graph::to_string(port.type));
  return made;
}

TEST_F(CompiledCacheTest, TheSecondStartMapsWhatTheFirstMade) {
  write();
  const auto first = open();
  ASSERT_NE(first, nullptr);
  EXPECT_FALSE(first->from_cache());
  ASSERT_EQ(files().size(), 1u);
  EXPECT_EQ(fs::status(files()[0]).permissions(), fs::perms(0644));
  const auto second = open();
  ASSERT_NE(second, nullptr);
  EXPECT_TRUE(second->from_cache());
  EXPECT_EQ(words(*second), words(*first));
  EXPECT_EQ(words(*first).back(), "z float[kept]");
  EXPECT_EQ(second->model().metadata, first->model().metadata);
  EXPECT_EQ(second->model().graph.nodes.size(), first->model().graph.nodes.size());
  EXPECT_EQ(run(*second), run(*first));
}

TEST_F(CompiledCacheTest, AnotherModelOrOtherOptionsAreCompiled) {
  write();
  ASSERT_NE(open(), nullptr);
  const auto shaped = open({.input_shapes = {{"x", {1, 2, 4, 4}}}});
  ASSERT_NE(shaped, nullptr);
  EXPECT_FALSE(shaped->from_cache());
  EXPECT_FALSE(open({.level = OptLevel::Basic})->from_cache());
  EXPECT_FALSE(open({.disabled_passes = {"pack_weights"}})->from_cache());
  EXPECT_FALSE(open({.precision = Precision::BF16})->from_cache());
  EXPECT_TRUE(open({.threads = 1})->from_cache()) << "threads change nothing about the compiled model";
  write("7.5");
  const auto changed = open();
  ASSERT_NE(changed, nullptr);
  EXPECT_FALSE(changed->from_cache());
  EXPECT_EQ(run(*changed), run(*open()));
}

TEST_F(CompiledCacheTest, ADamagedFileIsMadeAgain) {
  write();
  const auto first = open();
  ASSERT_NE(first, nullptr);
  const fs::path file = files().at(0);
  const auto whole = read_file(file);
  ASSERT_TRUE(whole);
  std::string broken = *whole;
  broken[broken.size() / 2] = static_cast<char>(broken[broken.size() / 2] ^ 0x40);
  for (const std::string& bytes :
       {broken.substr(0, broken.size() / 2), std::string("no model"), std::string(), broken}) {
    ASSERT_TRUE(write_file(file, bytes));
    const auto again = open();
    ASSERT_NE(again, nullptr);
    EXPECT_EQ(run(*again), run(*first));
    EXPECT_TRUE(open()->from_cache());
  }
}

TEST_F(CompiledCacheTest, AFileOfAnotherModelIsNotBelieved) {
  write();
  ASSERT_NE(open(), nullptr);
  ASSERT_TRUE(import::write_pfm(model("9.0"), files().at(0)));
  const auto again = open();
  ASSERT_NE(again, nullptr);
  EXPECT_FALSE(again->from_cache());
  EXPECT_TRUE(open()->from_cache());
}

TEST_F(CompiledCacheTest, ChangedWeightsBesideTheModelAreNoticed) {
  ASSERT_TRUE(import::write_onnx(model(), source_, {.external_bytes = 16}));
  ASSERT_TRUE(fs::exists(source_.string() + ".data"));
  ASSERT_NE(open(), nullptr);
  EXPECT_TRUE(open()->from_cache());
  fs::last_write_time(source_.string() + ".data", fs::file_time_type::clock::now() + std::chrono::seconds(5));
  EXPECT_FALSE(open()->from_cache());
}

TEST_F(CompiledCacheTest, TheFolderStaysBoundedAndKeepsWhatWasUsedLast) {
  const auto in_cache = [&](const std::string& stem) {
    return std::ranges::any_of(files(),
                               [&](const fs::path& path) { return path.filename().string().starts_with(stem); });
  };
  const auto compile = [&](const std::string& stem, uint64_t limit) {
    source_ = folder_ / (stem + ".onnx");
    if (!fs::exists(source_)) write();
    const auto session = open({.cache_bytes = limit});
    ASSERT_NE(session, nullptr);
  };
  const auto age = [&](const std::string& stem, int minutes) {
    for (const fs::path& path : files())
      if (path.filename().string().starts_with(stem))
        fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::minutes(minutes));
  };
  constexpr uint64_t kPlenty = 1 << 30;
  compile("first", kPlenty);
  const uint64_t each = fs::file_size(files().at(0));
  compile("second", kPlenty);
  compile("third", kPlenty);
  age("first", 30);
  age("second", 20);
  age("third", 10);
  ASSERT_TRUE(write_file(folder_ / "cache" / "mine.pfm", std::string(4 * each, 'x')));
  ASSERT_TRUE(write_file(folder_ / "cache" / "notes-0123456789abcdeg.pfm", std::string(4 * each, 'x')));
  compile("first", kPlenty);  // used: now it is the youngest
  compile("fourth", 3 * each + each / 2);
  EXPECT_FALSE(in_cache("second"));
  EXPECT_TRUE(in_cache("first") && in_cache("third") && in_cache("fourth"));
  EXPECT_TRUE(in_cache("mine") && in_cache("notes")) << "not made here";
  compile("fifth", 1);
  EXPECT_TRUE(in_cache("fifth")) << "what was just written stays";
  EXPECT_FALSE(in_cache("first") || in_cache("third") || in_cache("fourth"));
  compile("sixth", 0);
  EXPECT_TRUE(in_cache("fifth") && in_cache("sixth")) << "no limit";
}

TEST_F(CompiledCacheTest, BytesAreToldByTheirContent) {
  const auto bytes_of = [](std::string_view first) {
    return std::make_shared<std::string>(*import::write_onnx(model(first)));
  };
  const auto start = [&](const std::shared_ptr<std::string>& bytes) {
    auto session = Session::open(std::as_bytes(std::span(*bytes)), bytes, {.cache_dir = folder_ / "cache"});
    EXPECT_TRUE(session) << session.error().message;
    return session && (*session)->from_cache();
  };
  EXPECT_FALSE(start(bytes_of("1.0")));
  EXPECT_TRUE(start(bytes_of("1.0")));
  EXPECT_FALSE(start(bytes_of("2.0")));
}

TEST_F(CompiledCacheTest, AFolderThatCannotBeWrittenCostsOnlyTime) {
  write();
  ASSERT_TRUE(write_file(folder_ / "cache", "a file stands here"));
  const auto session = open();
  ASSERT_NE(session, nullptr);
  EXPECT_FALSE(run(*session).empty());
}

TEST_F(CompiledCacheTest, AModelInMemoryHasNoName) {
  const auto session = Session::open(model(), {.cache_dir = folder_ / "cache"});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().kind, ErrorKind::Usage);
}

TEST(DynamicBatch, TheFirstSizeStaysOpen) {
  auto session = Session::open(model(), {.input_shapes = {{"x", {4, 2, 4, 4}}}, .dynamic_batch = true});
  ASSERT_TRUE(session) << session.error().message;
  EXPECT_EQ(graph::to_string((*session)->inputs().at(0).type), "float[N,2,4,4]");
  auto fixed = graph::parse_text(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[1,3] x) => (float[1,3] y) { y = Exp (x) })");
  ASSERT_TRUE(fixed);
  session = Session::open(std::move(*fixed), {.dynamic_batch = true});
  ASSERT_TRUE(session) << session.error().message;
  EXPECT_EQ(graph::to_string((*session)->inputs().at(0).type), "float[batch,3]");
  EXPECT_EQ(graph::to_string((*session)->outputs().at(0).type), "float[batch,3]");
}

TEST(PrecisionOption, NeedsThePassThatActsOnIt) {
  const auto session = Session::open(model(), {.level = OptLevel::Basic, .precision = Precision::BF16});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().message, "[precision] bf16; need optimisation level 3 with the pass pack_weights");
}

}  // namespace
}  // namespace hearth::runtime
