// kernel_bench: matrix products of the CPU device beside the peaks of the machine, measured in the same run.
//
//   kernel_bench [--isa SET] [--threads N] [--types q4_1,q8_0] [--quick]
//
// M = 1 and small batches walk over copies of a matrix that together exceed the caches, so their measure is bytes of
// packed weights a second beside a plain read of the same memory; M = 512 is measured in operations.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <sstream>
#include <vector>

#include "machine_peaks.h"
#include "ops/device.h"
#include "tensor/quant_blocks.h"

namespace hearth {
namespace {

using bench::now_s;

struct Shape {
  int64_t n, k;
};

std::vector<uint8_t> random_weight(DType type, Shape s) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, 0.03f);
  std::vector<float> row(static_cast<size_t>(s.k));
  std::vector<uint8_t> bytes(static_cast<size_t>(s.n * bytes_of(type, s.k)));
  for (float& v : row) v = normal(random);
  for (int64_t i = 0; i < s.n; ++i) {
    std::swap(row[static_cast<size_t>(i % s.k)], row[static_cast<size_t>(i * 7 % s.k)]);
    quantise_row(type, row.data(), bytes.data() + i * bytes_of(type, s.k), s.k);
  }
  return bytes;
}

struct Bench {
  ops::Device& device;
  ops::cpu::ThreadPool& probe;
  double int8_peak, f32_peak;
  bool quick;

  Result<> shape(DType type, Shape s) {
    const std::vector<uint8_t> plain = random_weight(type, s);
    const ops::PackedForm form = device.packed_form(type, s.n, s.k);
    const size_t each = (form.bytes + 4095) / 4096 * 4096;
    const size_t copies = std::max<size_t>(2, (quick ? size_t{64} << 20 : size_t{256} << 20) / each);
    ASSIGN_OR_RETURN(ops::Buffer memory, device.allocate(each * copies));
    auto* bytes = static_cast<char*>(memory.data());
    const TensorView sources[] = {view(plain.data(), type, {s.n, s.k})};
    const double pack_start = now_s();
    TRY(device.pack(sources, bytes));
    const double pack_s = now_s() - pack_start;
    for (size_t i = 1; i < copies; ++i) std::memcpy(bytes + i * each, bytes, form.bytes);
    const double plain_read = bench::read_gbps(probe, bytes, each * copies);
    fmt::print("\n{} N {} K {}: {:.2f} MB packed in {:.1f} ms, plain read {:.1f} GB/s\n", to_string(type), s.n, s.k,
               static_cast<double>(form.bytes) * 1e-6, pack_s * 1e3, plain_read);
    double first = 0;
    for (int64_t m : {1, 2, 4, 8, 16, 64, 512}) {
      std::vector<float> x(static_cast<size_t>(m * s.k)), y(static_cast<size_t>(m * s.n));
      std::mt19937 random(2);
      std::normal_distribution<float> normal;
      for (float& v : x) v = normal(random);
      HearthOpCall call{};
      call.inputs[0] = view(x.data(), DType::F32, {m, s.k});
      call.outputs[0] = view(y.data(), DType::F32, {m, s.n});
      const size_t calls = m >= 64 ? std::min<size_t>(copies, 8) : copies;
      std::vector<double> times;
      for (int round = 0; round < 5; ++round) {
        const double start = now_s();
        for (size_t i = 0; i < calls; ++i) {
          call.inputs[1] = view(bytes + i * each, type, {s.n, s.k});
          call.inputs[1].layout = static_cast<int32_t>(form.layout);
          TRY(device.run(ops::Op::Matmul, call));
        }
        times.push_back((now_s() - start) / static_cast<double>(calls));
      }
      std::sort(times.begin(), times.end());
      const double t = times[times.size() / 2];
      if (m == 1) first = t;
      const double gbps = static_cast<double>(form.bytes) / t * 1e-9;
      const double gops = 2.0 * static_cast<double>(m * s.n * s.k) / t * 1e-9,
                   peak = is_quantised(type) ? int8_peak : f32_peak;
      fmt::print("  M {:4}  {:9.1f} us  {:5.2f} x M=1  {:6.1f} GB/s {:4.0f} % of plain read  {:7.1f} GOP/s", m, t * 1e6,
                 t / first, gbps, 100 * gbps / plain_read, gops);
      if (peak > 0) fmt::print(" {:4.0f} % of peak", 100 * gops / peak);
      fmt::print("  (p10-p90 {:.1f}-{:.1f} us)\n", times.front() * 1e6, times.back() * 1e6);
    }
    return {};
  }

  // The cost of a call beside its work: a norm of 16 values.
  Result<> dispatch() {
    float x[16] = {1}, w[16] = {1}, y[16];
    HearthOpCall call{};
    call.inputs[0] = view(x, DType::F32, {1, 16});
    call.inputs[1] = view(w, DType::F32, {16});
    call.outputs[0] = view(y, DType::F32, {1, 16});
    constexpr int kCalls = 200000;
    const double start = now_s();
    for (int i = 0; i < kCalls; ++i) TRY(device.run(ops::Op::RmsNorm, call));
    fmt::print("one small op (rms_norm of 16): {:.0f} ns a call\n", (now_s() - start) / kCalls * 1e9);
    return {};
  }
};

Result<> measure(const ops::DeviceOptions& options, const std::vector<DType>& types, bool quick) {
  ASSIGN_OR_RETURN(const auto device, ops::open_device("cpu", options));
  ops::cpu::ThreadPool probe(device->threads());
  Bench b{*device, probe, bench::int8_peak_gops(probe), bench::f32_peak_gops(probe), quick};
  fmt::print("{} threads, {}; fork-join {:.0f} ns; int8 {:.0f} GOP/s, f32 {:.0f} GFLOP/s (all threads)\n",
             device->threads(), device->isa(), bench::fork_join_ns(probe), b.int8_peak, b.f32_peak);
  TRY(b.dispatch());
  for (DType type : types)
    for (const Shape s : {Shape{1536, 576}, Shape{8192, 2048}})
      if (!(quick && s.n > 4096) && s.k % info(type).block_elements == 0) TRY(b.shape(type, s));
  return {};
}

}  // namespace
}  // namespace hearth

int main(int argc, char** argv) {
  CLI::App app{"Matrix products of the CPU device beside the peaks of the machine"};
  hearth::ops::DeviceOptions options;
  std::string types = "q4_1,q8_0,q4_0,q4_k,q6_k,f16,f32";
  bool quick = false;
  app.add_option("--isa", options.isa, "portable, avx2 or avx512; the best of the machine when empty");
  app.add_option("--threads", options.threads, "0: one a core");
  app.add_option("--types", types, "weight types, separated by commas");
  app.add_flag("--quick", quick, "the small shape only");
  CLI11_PARSE(app, argc, argv);
  std::vector<hearth::DType> list;
  std::stringstream text(types);
  for (std::string name; std::getline(text, name, ',');) {
    const auto type = hearth::parse_dtype(name);
    if (!type || (hearth::ops::bit(*type) & hearth::ops::kWeight) == 0) {
      fmt::print(stderr, "[kernel_bench] --types; got {}, need weight types such as q4_1\n", name);
      return 2;
    }
    list.push_back(*type);
  }
  if (const auto result = hearth::measure(options, list, quick); !result) {
    fmt::print(stderr, "{}\n", result.error().message);
    return hearth::exit_code(result.error().kind);
  }
  return 0;
}
