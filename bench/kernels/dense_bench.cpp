// dense_bench: float matrix products and convolutions of the graph runtime beside the machine's peak of fused
// multiply-adds (--bf16: of brain float dot products), measured around each of them in the same run.
//
//   dense_bench [--isa SET] [--threads 1,2] [--only TEXT] [--bf16] [--cold] [--steps relu] [--seconds S] [--cpu-time]
//
// GFLOP/s count two operations a multiply-add of the direct method, whatever the algorithm. --cold walks over copies of
// the weights that together exceed the caches, as a model's layers do. --steps is what follows each product: relu,
// gelu, or add_relu, which adds a matrix of the result's size first.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "machine_peaks.h"
#include "ops/cpu/dense.h"

namespace hearth {
namespace {

using namespace ops::cpu;
using bench::now_s;

struct Options {
  std::string isa, only, steps;
  std::vector<int> threads{1, 2};
  bool bf16 = false, cold = false;
  double seconds = 0.1;
};

class Memory {
 public:
  explicit Memory(size_t bytes) : at_(new(std::align_val_t{64}) char[bytes + 64]()) {}
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(at_.get());
  }

 private:
  struct Free {
    void operator()(char* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::unique_ptr<char, Free> at_;
};

Memory random_floats(int64_t count) {
  Memory memory(static_cast<size_t>(count) * sizeof(float));
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::generate_n(memory.as<float>(), count, [&] { return uniform(random); });
  return memory;
}

// Copies of packed weights, one after the other handed out.
class Weights {
 public:
  Weights(size_t bytes, bool cold)
      : step_((bytes + 63) / 64 * 64),
        count_(cold ? 1 + (size_t{128} << 20) / std::max<size_t>(1, step_) : 1),
        memory_(step_ * count_) {}
  void fill(const std::function<void(void*)>& pack) {
    pack(memory_.as<char>());
    for (size_t i = 1; i < count_; ++i) std::copy_n(memory_.as<char>(), step_, memory_.as<char>() + i * step_);
  }
  const void* next() {
    at_ = (at_ + 1) % count_;
    return memory_.as<char>() + at_ * step_;
  }

 private:
  size_t step_, count_, at_ = 0;
  Memory memory_;
};

// What follows a product.
struct Program {
  Program(const std::string& steps, int64_t rows, int64_t columns)
      : added(random_floats(steps == "add_relu" ? rows * columns : 1)),
        operand{.data = added.as<float>(), .spread = Spread::Full, .row_stride = columns, .period = rows} {
    if (steps == "add_relu") list.push_back({.op = Pointwise::Add, .operand = 0});
    if (steps == "add_relu" || steps == "relu") list.push_back({.op = Pointwise::Relu});
    if (steps == "gelu") list.push_back({.op = Pointwise::Gelu});
  }
  PointwiseProgram view() const { return {list, {&operand, 1}}; }
  Memory added;
  Operand operand;
  std::vector<PointwiseStep> list;
};

class Bench {
 public:
  Bench(const Options& options, const DenseKernels& kernels) : o_(options), kernels_(kernels) {
    for (int threads : o_.threads) pools_.push_back(std::make_unique<ThreadPool>(threads));
  }

  void matmul(const std::string& name, int64_t m, int64_t n, int64_t k) {
    const std::string title = fmt::format("matmul {:22} {:6} x {:5} x {:5}", name, m, n, k);
    if (title.find(o_.only) == std::string::npos) return;
    const Factors factors = o_.bf16 ? Factors::BF16 : Factors::F32;
    const Memory a = random_floats(m * k), b = random_floats(k * n), bias = random_floats(n);
    const Memory c(static_cast<size_t>(m * n) * sizeof(float));
    const Program program(o_.steps, m, n);
    Weights packed(kernels_.packed_matrix_bytes(k, n, factors), o_.cold);
    packed.fill([&](void* to) { kernels_.pack_matrix(b.as<float>(), n, 1, k, n, nullptr, factors, to); });
    MatmulJob job{.m = m,
                  .n = n,
                  .k = k,
                  .a = a.as<float>(),
                  .lda = k,
                  .factors = factors,
                  .bias = bias.as<float>(),
                  .c = c.as<float>(),
                  .ldc = n,
                  .program = program.view()};
    const Memory scratch(kernels_.matmul_scratch(job, 2));
    run(title, 2.0 * static_cast<double>(m * n * k), [&](ThreadPool& pool) {
      job.b = packed.next();
      kernels_.matmul(job, scratch.as<void>(), &pool);
    });
  }

  void conv(const std::string& name, int64_t size, int64_t channels, int64_t out, int64_t kernel, int64_t stride,
            int64_t groups = 1) {
    ConvShape s{.height = size,
                .width = size,
                .channels = channels,
                .out_height = (size - 1) / stride + 1,
                .out_width = (size - 1) / stride + 1,
                .out_channels = out,
                .kernel_height = kernel,
                .kernel_width = kernel,
                .stride_height = stride,
                .stride_width = stride,
                .pad_top = (kernel - 1) / 2,
                .pad_left = (kernel - 1) / 2,
                .groups = groups};
    const Factors factors = o_.bf16 ? Factors::BF16 : Factors::F32;
    const ConvAlgorithm chosen = kernels_.choose_conv(s, factors);
    for (ConvAlgorithm algorithm : {ConvAlgorithm::Direct, chosen}) {
      if (algorithm == ConvAlgorithm::Direct && chosen == ConvAlgorithm::Depthwise) continue;
      const char* how = algorithm == ConvAlgorithm::Winograd    ? "winograd"
                        : algorithm == ConvAlgorithm::Depthwise ? "depthwise"
                                                                : "direct";
      conv(fmt::format("conv {:9} {:14} {}x{}/{} {:3}^2 {:4} -> {:4}", how, name, kernel, kernel, stride, size,
                       channels, out),
           s, algorithm, factors);
      if (algorithm == chosen) break;
    }
  }

 private:
  void conv(const std::string& title, const ConvShape& s, ConvAlgorithm algorithm, Factors factors) {
    if (title.find(o_.only) == std::string::npos) return;
    const int64_t taps = s.kernel_height * s.kernel_width, pixels = s.out_height * s.out_width;
    const Memory x = random_floats(s.height * s.width * s.channels),
                 w = random_floats(s.out_channels * s.channels / s.groups * taps), bias = random_floats(s.out_channels);
    const Memory y(static_cast<size_t>(pixels * s.out_channels) * sizeof(float));
    const Program program(o_.steps, pixels, s.out_channels);
    Weights packed(kernels_.packed_conv_bytes(s, algorithm, factors), o_.cold);
    packed.fill([&](void* to) { kernels_.pack_conv(w.as<float>(), s, nullptr, algorithm, factors, to); });
    ConvJob job{.shape = s,
                .algorithm = algorithm,
                .factors = factors,
                .x = x.as<float>(),
                .x_stride = s.channels,
                .bias = bias.as<float>(),
                .y = y.as<float>(),
                .y_stride = s.out_channels,
                .program = program.view()};
    size_t bytes = 0;
    for (int threads : o_.threads) bytes = std::max(bytes, kernels_.conv_scratch(job, threads));
    const Memory scratch(bytes);
    run(title, 2.0 * static_cast<double>(pixels * s.out_channels * (s.channels / s.groups) * taps),
        [&](ThreadPool& pool) {
          job.w = packed.next();
          kernels_.conv(job, scratch.as<void>(), &pool);
        });
  }

  template <class Call>
  void run(const std::string& title, double operations, const Call& call) {
    fmt::print("{:58}", title);
    for (const auto& pool : pools_) {
      call(*pool);
      std::vector<double> times;
      const double peak_before = peak_of(*pool);
      for (const double end = now_s() + o_.seconds; now_s() < end || times.size() < 5;) {
        const double start = now_s();
        call(*pool);
        times.push_back(now_s() - start);
      }
      const double peak = std::max(peak_before, peak_of(*pool));
      std::sort(times.begin(), times.end());
      const double median = operations / times[times.size() / 2] * 1e-9, best = operations / times[0] * 1e-9;
      fmt::print(" |{:2}T {:9.1f} us {:7.1f} GFLOP/s", pool->threads(), times[times.size() / 2] * 1e6, median);
      if (peak > 0) fmt::print(" {:3.0f} % (best {:3.0f} %) of {:.0f}", 100 * median / peak, 100 * best / peak, peak);
    }
    fmt::print("\n");
    std::fflush(stdout);
  }

  double peak_of(ThreadPool& pool) const {
    const double bf16 = o_.bf16 ? bench::bf16_peak_gops(pool) : 0;
    return bf16 > 0 ? bf16 : bench::f32_peak_gops(pool);
  }

  const Options& o_;
  const DenseKernels& kernels_;
  std::vector<std::unique_ptr<ThreadPool>> pools_;
};

void all(Bench& b) {
  b.matmul("bert ffn", 128, 3072, 768);
  b.matmul("bert ffn out", 128, 768, 3072);
  b.matmul("bert attention", 128, 768, 768);
  b.matmul("bert ffn, batch 8", 1024, 3072, 768);
  b.matmul("minilm ffn", 128, 1536, 384);
  b.matmul("minilm ffn out", 128, 384, 1536);
  b.matmul("minilm attention", 128, 384, 384);
  b.matmul("resnet 56", 3136, 64, 64);
  b.matmul("resnet 56", 3136, 256, 64);
  b.matmul("resnet 56", 3136, 64, 256);
  b.matmul("resnet 28", 784, 512, 128);
  b.matmul("resnet 28", 784, 128, 512);
  b.matmul("resnet 14", 196, 1024, 256);
  b.matmul("resnet 14", 196, 256, 1024);
  b.matmul("resnet 7", 49, 2048, 512);
  b.matmul("resnet 7", 49, 512, 2048);
  b.matmul("mobilenet 112", 12544, 16, 32);
  b.matmul("mobilenet 112", 12544, 96, 16);
  b.matmul("mobilenet 56", 3136, 24, 144);
  b.matmul("mobilenet 56", 3136, 144, 24);
  b.matmul("mobilenet 14", 196, 64, 384);
  b.matmul("mobilenet 14", 196, 384, 64);
  b.matmul("mobilenet 7", 49, 320, 960);
  b.matmul("mobilenet 7", 49, 960, 160);
  b.matmul("classes", 1, 1000, 2048);
  b.matmul("arcface embedding", 1, 512, 25088);
  b.matmul("arcface, batch 8", 8, 512, 25088);
  b.conv("resnet first", 224, 3, 64, 7, 2);
  b.conv("mobilenet first", 224, 3, 32, 3, 2);
  b.conv("arcface first", 112, 3, 64, 3, 1);
  b.conv("arcface 112", 112, 64, 64, 3, 1);
  b.conv("resnet 56", 56, 64, 64, 3, 1);
  b.conv("resnet 28", 28, 128, 128, 3, 1);
  b.conv("resnet 14", 14, 256, 256, 3, 1);
  b.conv("resnet 7", 7, 512, 512, 3, 1);
  b.conv("resnet 56/2", 56, 128, 128, 3, 2);
  b.conv("resnet 28/2", 28, 256, 256, 3, 2);
  b.conv("resnet 14/2", 14, 512, 512, 3, 2);
  b.conv("resnet skip", 56, 256, 512, 1, 2);
  b.conv("resnet skip", 14, 1024, 2048, 1, 2);
  b.conv("yolo 160", 160, 16, 32, 3, 2);
  b.conv("yolo 80", 80, 16, 16, 3, 1);
  b.conv("yolo 40", 40, 32, 32, 3, 1);
  b.conv("yolo 20", 20, 64, 64, 3, 1);
  b.conv("yolo 10", 10, 128, 128, 3, 1);
}

}  // namespace
}  // namespace hearth

int main(int argc, char** argv) {
  CLI::App app{"Float matrix products and convolutions beside the machine's peak"};
  hearth::Options options;
  app.add_option("--isa", options.isa, "portable, avx2 or avx512; the best of the machine when empty");
  app.add_option("--threads", options.threads, "numbers of threads, separated by commas")
      ->delimiter(',')
      ->check(CLI::Range(1, 256));
  app.add_option("--only", options.only, "cases whose line contains this text");
  app.add_option("--seconds", options.seconds, "time for each figure")->check(CLI::Range(0.001, 60.0));
  app.add_flag("--bf16", options.bf16, "brain-float factors");
  app.add_flag("--cold", options.cold, "weights from memory, not from the caches");
  bool cpu_time = false;
  app.add_option("--steps", options.steps, "what follows each product")
      ->check(CLI::IsMember({"relu", "add_relu", "gelu"}));
  app.add_flag("--cpu-time", cpu_time, "measure processor time, for a busy machine; takes one thread");
  CLI11_PARSE(app, argc, argv);
  if (cpu_time) {
    options.threads = {1};
    hearth::bench::use_cpu_time();
  }
  const auto isa = hearth::ops::cpu::choose_isa(options.isa);
  if (!isa) {
    fmt::print(stderr, "{}\n", isa.error().message);
    return hearth::exit_code(isa.error().kind);
  }
  fmt::print("{}; % of the peak of multiply-adds on as many threads\n", hearth::ops::cpu::to_string(*isa));
  hearth::Bench bench(options, hearth::ops::cpu::dense_kernels(*isa));
  hearth::all(bench);
  return 0;
}
