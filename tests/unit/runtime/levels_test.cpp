// Every level, and every level with each pass left out in turn, gives what the plain operators give.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "graph/text.h"
#include "runtime/session.h"

namespace hearth::runtime {
namespace {

// Writes a model in the text form; weights are added to its graph afterwards, by name.
class Builder {
 public:
  explicit Builder(uint32_t seed) : random_(seed) {}

  std::string weight(const Dims& dims, double spread, double centre = 0) {
    auto made = Tensor::allocate(DType::F32, dims);
    CHECK(made);
    std::uniform_real_distribution<double> numbers(centre - spread, centre + spread);
    for (int64_t i = 0; i < made->size(); ++i) made->mutable_data<float>()[i] = static_cast<float>(numbers(random_));
    return constant(std::move(*made));
  }
  std::string ints(std::vector<int64_t> numbers) {
    return constant(Tensor::of<int64_t>(DType::I64, {static_cast<int64_t>(numbers.size())}, numbers));
  }
  std::string number(float value) { return constant(Tensor::of<float>(DType::F32, {}, std::span(&value, 1))); }
  // `call`: "Add (x, y)", "Conv <kernel_shape = [3]> (x, w)".
  std::string node(const std::string& call) {
    const std::string name = fmt::format("v{}", ++count_);
    nodes_ += fmt::format("  {} = {}\n", name, call);
    return name;
  }
  std::pair<std::string, std::string> two(const std::string& call) {
    const std::string first = fmt::format("v{}", ++count_), second = fmt::format("v{}", ++count_);
    nodes_ += fmt::format("  {}, {} = {}\n", first, second, call);
    return {first, second};
  }

  std::string conv(const std::string& x, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups,
                   bool bias) {
    const double spread = std::sqrt(3.0 / static_cast<double>(in / groups * kernel * kernel));
    const std::string w = weight({out, in / groups, kernel, kernel}, spread);
    const int64_t pad = kernel / 2;
    return node(
        fmt::format("Conv <kernel_shape = [{0}, {0}], strides = [{1}, {1}], pads = [{2}, {2}, {2}, {2}], group = {3}> "
                    "({4}, {5}{6})",
                    kernel, stride, pad, groups, x, w, bias ? ", " + weight({out}, 0.2) : ""));
  }
  std::string batch_norm(const std::string& x, int64_t c) {
    return node(fmt::format("BatchNormalization <epsilon = 0.001> ({}, {}, {}, {}, {})", x, weight({c}, 0.3, 1),
                            weight({c}, 0.2), weight({c}, 0.2), weight({c}, 0.4, 1)));
  }
  std::string linear(const std::string& x, int64_t in, int64_t out) {
    const std::string y =
        node(fmt::format("MatMul ({}, {})", x, weight({in, out}, std::sqrt(3.0 / static_cast<double>(in)))));
    return node(fmt::format("Add ({}, {})", weight({out}, 0.2), y));
  }
  std::string layer_norm(const std::string& x, int64_t n) {
    const std::string centred =
        node(fmt::format("Sub ({}, {})", x, node(fmt::format("ReduceMean <axes = [-1]> ({})", x))));
    const std::string variance =
        node(fmt::format("ReduceMean <axes = [-1]> ({})", node(fmt::format("Pow ({}, {})", centred, number(2)))));
    const std::string deviation =
        node(fmt::format("Sqrt ({})", node(fmt::format("Add ({}, {})", variance, number(1e-5f)))));
    const std::string y =
        node(fmt::format("Mul ({}, {})", node(fmt::format("Div ({}, {})", centred, deviation)), weight({n}, 0.3, 1)));
    return node(fmt::format("Add ({}, {})", y, weight({n}, 0.2)));
  }
  std::string gelu(const std::string& x) {
    const std::string erf =
        node(fmt::format("Erf ({})", node(fmt::format("Div ({}, {})", x, number(std::sqrt(2.0f))))));
    const std::string y = node(fmt::format("Mul ({}, {})", x, node(fmt::format("Add ({}, {})", erf, number(1)))));
    return node(fmt::format("Mul ({}, {})", y, number(0.5f)));
  }

  graph::Model model(const std::string& input, const std::string& output) {
    const std::string text =
        fmt::format("<ir_version: 8, opset_import: [\"\": 17]>\nnet ({}) => (float[] y) {{\n{}  y = Identity ({})\n}}",
                    input, nodes_, output);
    // The weights are values without a producer in the text: declared as constants of one number, replaced below.
    std::string declared;
    for (const auto& [name, tensor] : weights_)
      declared += fmt::format("{}{} {} = {{{}}}", declared.empty() ? "" : ", ",
                              tensor.dtype() == DType::F32 ? "float[1]" : "int64[1]", name,
                              tensor.dtype() == DType::F32 ? "0.0" : "0");
    std::string whole = text;
    whole.insert(whole.find(" {\n"), declared.empty() ? "" : " <" + declared + ">");
    auto parsed = graph::parse_text(whole);
    EXPECT_TRUE(parsed) << parsed.error().message << "\n" << whole;
    if (!parsed) return {};
    for (const auto& [name, tensor] : weights_) {
      graph::ValueInfo& value = parsed->graph.value(parsed->graph.find_value(name));
      value.constant = tensor;
      graph::Shape shape;
      for (const int64_t size : tensor.dims()) shape.emplace_back(size);
      value.type = graph::Type::tensor(tensor.dtype(), std::move(shape));
    }
    return std::move(*parsed);
  }

 private:
  std::string constant(Tensor tensor) {
    weights_.emplace_back(fmt::format("w{}", weights_.size()), std::move(tensor));
    return weights_.back().first;
  }
  std::mt19937 random_;
  std::string nodes_;
  std::vector<std::pair<std::string, Tensor>> weights_;
  int count_ = 0;
};

struct Net {
  std::string name;
  graph::Model model;
  std::vector<Dims> inputs;  // of x, each run in turn
};

// Convolutions of every kind, activations, residuals, pools, concatenation, upsampling, a head.
Net image_net() {
  Builder b(1);
  std::string x = b.batch_norm(b.conv("x", 3, 16, 3, 2, 1, false), 16);
  x = b.node("Relu (" + x + ")");
  x = b.node("MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (" + x + ")");
  std::string y = b.node(
      fmt::format("Clip ({}, {}, {})", b.batch_norm(b.conv(x, 16, 32, 1, 1, 1, false), 32), b.number(0), b.number(6)));
  y = b.node(fmt::format("PRelu ({}, {})", b.conv(y, 32, 32, 3, 1, 32, true), b.weight({32, 1, 1}, 0.3)));
  const std::string gate = b.conv(b.node("GlobalAveragePool (" + y + ")"), 32, 32, 1, 1, 1, true);
  y = b.node(fmt::format("Mul ({}, {})", y, b.node("Sigmoid (" + gate + ")")));
  y = b.conv(y, 32, 16, 1, 1, 1, true);
  x = b.node(fmt::format("Add ({}, {})", x, y));
  y = b.conv(x, 16, 24, 3, 1, 1, true);
  y = b.node(fmt::format("Mul ({0}, {1})", y, b.node("Sigmoid (" + y + ")")));
  const auto [left, right] = b.two(fmt::format("Split <axis = 1> ({}, {})", y, b.ints({8, 16})));
  y = b.node(fmt::format("Concat <axis = 1> ({}, {}, {})", right, left, x));
  y = b.conv(y, 40, 12, 3, 2, 4, true);
  y = b.node("HardSwish (" + y + ")");
  y = b.node("AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (" + y + ")");
  y = b.node(fmt::format("Mul ({}, {})", b.batch_norm(y, 12), b.number(0.7f)));
  y = b.node("LeakyRelu <alpha = 0.1> (" + y + ")");
  y = b.node("Flatten <axis = 1> (" + b.node("GlobalAveragePool (" + y + ")") + ")");
  y = b.node(fmt::format("Gemm <transB = 1> ({}, {}, {})", y, b.weight({10, 12}, 0.5), b.weight({10}, 0.2)));
  return {"image",
          b.model("float[batch, 3, height, width] x", b.node("Softmax <axis = -1> (" + y + ")")),
          {{1, 3, 40, 36}, {2, 3, 33, 47}, {0, 3, 40, 40}}};
}

Net transformer() {
  Builder b(2);
  const int64_t width = 32, heads = 4;
  std::string x = b.layer_norm("x", width);
  const std::string split = b.ints({0, 0, heads, width / heads}), join = b.ints({0, 0, width});
  for (int layer = 0; layer < 2; ++layer) {
    const auto head = [&](const char* perm) {
      const std::string y = b.node(fmt::format("Reshape ({}, {})", b.linear(x, width, width), split));
      return b.node(fmt::format("Transpose <perm = {}> ({})", perm, y));
    };
    const std::string q = head("[0, 2, 1, 3]"), k = head("[0, 2, 3, 1]"), v = head("[0, 2, 1, 3]");
    const std::string scores =
        b.node(fmt::format("Div ({}, {})", b.node(fmt::format("MatMul ({}, {})", q, k)), b.number(std::sqrt(8.0f))));
    std::string y = b.node(fmt::format("MatMul ({}, {})", b.node("Softmax <axis = -1> (" + scores + ")"), v));
    y = b.node(fmt::format("Reshape ({}, {})", b.node("Transpose <perm = [0, 2, 1, 3]> (" + y + ")"), join));
    x = b.layer_norm(b.node(fmt::format("Add ({}, {})", b.linear(y, width, width), x)), width);
    y = b.linear(b.gelu(b.linear(x, width, 3 * width)), 3 * width, width);
    x = b.layer_norm(b.node(fmt::format("Add ({}, {})", y, x)), width);
  }
  return {"transformer", b.model("float[batch, length, 32] x", x), {{1, 7, 32}, {3, 20, 32}, {1, 1, 32}}};
}

// One-dimensional convolutions between transposes, gates, and recurrent cells.
Net speech() {
  Builder b(3);
  std::string y = b.node("Transpose <perm = [0, 2, 1]> (x)");
  y = b.node(fmt::format("Conv <kernel_shape = [1]> ({}, {}, {})", y, b.weight({32, 16, 1}, 0.4), b.weight({32}, 0.2)));
  const auto [left, right] = b.two(fmt::format("Split <axis = 1> ({}, {})", y, b.ints({16, 16})));
  y = b.node(fmt::format("Mul ({}, {})", left, b.node("Sigmoid (" + right + ")")));
  y = b.node(
      fmt::format("Conv <kernel_shape = [5], pads = [2, 2], group = 16> ({}, {})", y, b.weight({16, 1, 5}, 0.6)));
  y = b.batch_norm(y, 16);
  y = b.node(fmt::format("Mul ({0}, {1})", y, b.node("Sigmoid (" + y + ")")));
  y = b.node(fmt::format("Conv <kernel_shape = [3], pads = [2, 2], dilations = [2]> ({}, {}, {})", y,
                         b.weight({16, 16, 3}, 0.2), b.weight({16}, 0.2)));
  std::string x = b.node(fmt::format("Add (x, {})", b.node("Transpose <perm = [0, 2, 1]> (" + y + ")")));
  x = b.node(
      fmt::format("LayerNormalization <axis = -1> ({}, {}, {})", x, b.weight({16}, 0.3, 1), b.weight({16}, 0.2)));
  x = b.node("Transpose <perm = [1, 0, 2]> (" + x + ")");
  x = b.node(fmt::format("LSTM <hidden_size = 12, direction = \"bidirectional\"> ({}, {}, {}, {})", x,
                         b.weight({2, 48, 16}, 0.3), b.weight({2, 48, 12}, 0.3), b.weight({2, 96}, 0.2)));
  x = b.node(
      fmt::format("Reshape ({}, {})", b.node("Transpose <perm = [0, 2, 1, 3]> (" + x + ")"), b.ints({0, 0, 24})));
  x = b.node(fmt::format("GRU <hidden_size = 10, linear_before_reset = 1> ({}, {}, {}, {})", x,
                         b.weight({1, 30, 24}, 0.3), b.weight({1, 30, 10}, 0.3), b.weight({1, 60}, 0.2)));
  x = b.node(fmt::format("Tanh ({})", b.node("ReduceMean <axes = [0, 1], keepdims = 0> (" + x + ")")));
  return {"speech", b.model("float[batch, frames, 16] x", x), {{1, 9, 16}, {3, 24, 16}}};
}

Tensor input_of(const Dims& dims) {
  auto made = Tensor::allocate(DType::F32, dims);
  CHECK(made);
  std::mt19937 random(7);
  std::uniform_real_distribution<float> numbers(-1, 1);
  for (int64_t i = 0; i < made->size(); ++i) made->mutable_data<float>()[i] = numbers(random);
  return std::move(*made);
}

std::vector<Tensor> run_all(const Net& net, OptLevel level, const std::vector<std::string>& disabled, int threads) {
  std::vector<Tensor> results;
  auto session = Session::open(net.model.clone(), {.level = level, .disabled_passes = disabled, .threads = threads});
  EXPECT_TRUE(session) << session.error().message;
  if (!session) return results;
  for (const Dims& dims : net.inputs) {
    const Feed feed{"x", input_of(dims)};
    // Twice: the second run lives in the memory of the first.
    EXPECT_TRUE((*session)->run(std::span(&feed, 1)));
    auto made = (*session)->run(std::span(&feed, 1));
    EXPECT_TRUE(made) << made.error().message;
    if (!made) return {};
    results.push_back(*(*made)[0].tensor());
  }
  return results;
}

void expect_close(const std::vector<Tensor>& got, const std::vector<Tensor>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t k = 0; k < want.size(); ++k) {
    ASSERT_EQ(got[k].dims(), want[k].dims());
    float largest = 1e-6f;
    for (int64_t i = 0; i < want[k].size(); ++i) largest = std::max(largest, std::abs(want[k].data<float>()[i]));
    for (int64_t i = 0; i < want[k].size(); ++i)
      ASSERT_NEAR(got[k].data<float>()[i], want[k].data<float>()[i], 1e-4f * largest)
          << "input " << k << ", element " << i;
  }
}

void check(const Net& net) {
  const auto want = run_all(net, OptLevel::None, {}, 1);
  ASSERT_EQ(want.size(), net.inputs.size());
  for (const OptLevel level : {OptLevel::Basic, OptLevel::Extended, OptLevel::All}) {
    SCOPED_TRACE(fmt::format("level {}", static_cast<int>(level)));
    expect_close(run_all(net, level, {}, 1), want);
    expect_close(run_all(net, level, {}, 2), want);
    for (const auto& pass : passes::all_passes()) {
      if (pass.level > level) continue;
      SCOPED_TRACE(fmt::format("without {}", pass.name));
      expect_close(run_all(net, level, {std::string(pass.name)}, 1), want);
    }
  }
}

TEST(Levels, ImageNet) {
  check(image_net());
}
TEST(Levels, Transformer) {
  check(transformer());
}
TEST(Levels, Speech) {
  check(speech());
}

// What the best level makes is what the kernels of the internal operators serve.
TEST(Levels, TheBestLevelUsesTheInternalOperators) {
  const auto count = [](const Net& net, std::string_view op_type) {
    auto session = Session::open(net.model.clone(), {});
    EXPECT_TRUE(session) << session.error().message;
    size_t found = 0;
    if (session)
      for (const auto& node : (*session)->model().graph.nodes)
        found += node.domain == "hearth" && node.op_type == op_type;
    return found;
  };
  EXPECT_EQ(count(image_net(), "Conv"), 7u);
  EXPECT_EQ(count(transformer(), "Attention"), 2u);
  EXPECT_EQ(count(transformer(), "LayerNormalization"), 5u);
}

}  // namespace
}  // namespace hearth::runtime
