// Convolutions that run a few rows at a time: the same numbers as one after the other, whatever the threads and batch.
#include <cstring>
#include <random>

#include "graph/text.h"
#include "rewritten.h"
#include "runtime/session.h"

namespace hearth::passes {
namespace {

using runtime::Session;

Tensor random_tensor(const Dims& dims, std::mt19937& engine) {
  auto made = Tensor::allocate(DType::F32, dims);
  CHECK(made);
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < made->size(); ++i) made->mutable_data<float>()[i] = normal(engine);
  return std::move(*made);
}

// Every input but the first becomes a constant.
std::unique_ptr<Session> open(std::string_view text, int threads, bool chains = true) {
  auto model = graph::parse_text(text);
  EXPECT_TRUE(model) << model.error().message;
  std::mt19937 engine(7);
  for (size_t i = 1; i < model->graph.inputs.size(); ++i) {
    auto& value = model->graph.value(model->graph.inputs[i]);
    Dims dims;
    for (const auto& dimension : *value.type.shape) dims.push_back(dimension.size);
    value.constant = random_tensor(dims, engine);
  }
  model->graph.inputs.resize(1);
  runtime::SessionOptions options{.threads = threads};
  if (!chains) options.disabled_passes = {"fuse_conv_chains"};
  auto session = Session::open(std::move(*model), options);
  EXPECT_TRUE(session) << session.error().message;
  return session ? std::move(*session) : nullptr;
}

int64_t chains_in(const Session& session) {
  return std::ranges::count(session.model().graph.nodes, "ConvChain", &graph::Node::op_type);
}

Tensor run(Session& session, const Dims& dims) {
  std::mt19937 engine(3);
  const runtime::Feed feed{"x", random_tensor(dims, engine)};
  auto made = session.run(std::span(&feed, 1));
  EXPECT_TRUE(made) << made.error().message;
  return made ? *(*made)[0].tensor() : Tensor();
}

void same_bits(std::string_view text, const Dims& dims, int64_t count = 1) {
  const auto plain = open(text, 1, false);
  ASSERT_NE(plain, nullptr);
  ASSERT_EQ(chains_in(*plain), 0);
  for (const int64_t batch : {1, 3}) {
    Dims fed = dims;
    fed[0] = batch;
    const Tensor wanted = run(*plain, fed);
    for (const int threads : {1, 2, 3}) {
      const auto chained = open(text, threads);
      ASSERT_NE(chained, nullptr);
      ASSERT_EQ(chains_in(*chained), count);
      const Tensor got = run(*chained, fed);
      ASSERT_EQ(got.dims(), wanted.dims());
      EXPECT_EQ(std::memcmp(got.raw(), wanted.raw(), got.bytes()), 0) << threads << " threads, batch " << batch;
    }
  }
}

TEST(FuseConvChains, AnInvertedResidual) {
  same_bits(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[n,8,53,41] x, float[64,8,1,1] w1, float[64] b1, float[64,1,3,3] w2, float[64,1,1] slope, float[8,64,1,1] w3) => (float[n,8,53,41] y)
  <float zero = {0.0}, float six = {6.0}> {
  a = Conv (x, w1, b1)  b = Clip (a, zero, six)
  c = Conv <group = 64, pads = [1, 1, 1, 1]> (b, w2)  d = PRelu (c, slope)
  e = Conv (d, w3)  y = Add (e, x)
})",
            {1, 8, 53, 41});
}

TEST(FuseConvChains, StridesDilationsAndLargeWindows) {
  same_bits(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[n,3,97,83] x, float[48,3,3,3] w1, float[48,1,5,5] w2, float[20,48,1,1] w3, float[20] b3) => (y) {
  a = Conv <strides = [2, 1], pads = [1, 1, 1, 1]> (x, w1)  b = Relu (a)
  c = Conv <group = 48, strides = [2, 2], pads = [2, 2, 2, 2]> (b, w2)
  y = Conv (c, w3, b3)
})",
            {1, 3, 97, 83});
  same_bits(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[n,4,61,67] x, float[32,4,1,1] w1, float[32,1,3,3] w2) => (y) {
  a = Conv (x, w1)  y = Conv <group = 32, dilations = [3, 2], pads = [3, 2, 3, 2]> (a, w2)
})",
            {1, 4, 61, 67});
}

// What widens the image for the next depthwise convolution begins the next chain: the wide image is never written out.
TEST(FuseConvChains, AWideningConvolutionBelongsToTheNextChain) {
  constexpr std::string_view kText = R"(<ir_version: 8, opset_import: ["": 17]>
g (float[n,3,80,72] x, float[40,3,3,3] w1, float[40,1,3,3] w2, float[64,40,1,1] w3, float[64,1,3,3] w4, float[24,64,1,1] w5) => (y) {
  a = Conv <pads = [1, 1, 1, 1]> (x, w1)  b = Conv <group = 40, pads = [1, 1, 1, 1]> (a, w2)
  c = Conv (b, w3)  d = Conv <group = 64, strides = [2, 2], pads = [1, 1, 1, 1]> (c, w4)  y = Conv (d, w5)
})";
  const auto session = open(kText, 1);
  ASSERT_NE(session, nullptr);
  std::vector<size_t> lengths;
  for (const graph::Node& node : session->model().graph.nodes)
    if (node.op_type == "ConvChain") lengths.push_back(node.graph("body")->nodes.size());
  EXPECT_EQ(lengths, (std::vector<size_t>{2, 3}));
  same_bits(kText, {1, 3, 80, 72}, 2);
}

// The same chain, but for what makes it impossible or useless.
TEST(FuseConvChains, LeavesAloneWhatOthersReadAndWhatIsSmall) {
  const auto chains = [](std::string_view text) {
    const auto session = open(text, 1);
    return session ? chains_in(*session) : -1;
  };
  EXPECT_EQ(chains(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[n,8,53,41] x, float[64,8,1,1] w1, float[64,1,3,3] w2) => (y, a) {
  a = Conv (x, w1)  y = Conv <group = 64, pads = [1, 1, 1, 1]> (a, w2)
})"),
            0);
  EXPECT_EQ(chains(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[n,8,13,11] x, float[64,8,1,1] w1, float[64,1,3,3] w2) => (y) {
  a = Conv (x, w1)  y = Conv <group = 64, pads = [1, 1, 1, 1]> (a, w2)
})"),
            0);
  EXPECT_EQ(chains(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[n,8,h,w] x, float[64,8,1,1] w1, float[64,1,3,3] w2) => (y) {
  a = Conv (x, w1)  y = Conv <group = 64, pads = [1, 1, 1, 1]> (a, w2)
})"),
            0);
}

}  // namespace
}  // namespace hearth::passes
