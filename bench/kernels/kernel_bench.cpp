// kernel_bench: matrix products of the CPU device beside the peaks of the machine, measured in the same run.
//
//   kernel_bench [--isa SET] [--threads N] [--types q4_1,q8_0] [--quick] [--cpu-time]
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

struct Summary {
  double best, median;
};
Summary summary_of(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2]};
}

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
      const auto [best, median] = summary_of(times);
      if (m == 1) first = best;
      const double gbps = static_cast<double>(form.bytes) / best * 1e-9;
      const double gops = 2.0 * static_cast<double>(m * s.n * s.k) / best * 1e-9,
                   peak = is_quantised(type) ? int8_peak : f32_peak;
      fmt::print(
          "  M {:4}  best {:9.1f} us (median {:9.1f})  {:6.2f} x M=1  {:6.1f} GB/s {:4.0f} % of plain read  {:7.1f} "
          "GOP/s",
          m, best * 1e6, median * 1e6, best / first, gbps, 100 * gbps / plain_read, gops);
      if (peak > 0) fmt::print(" {:4.0f} % of peak", 100 * gops / peak);
      fmt::print("\n");
    }
    return {};
  }

  Result<> time(std::string_view what, ops::Op op, const HearthOpCall& call) {
    std::vector<double> times;
    for (int round = 0; round < 30; ++round) {
      const double start = now_s();
      TRY(device.run(op, call));
      times.push_back(now_s() - start);
    }
    const auto [best, median] = summary_of(times);
    fmt::print("  {:44} best {:9.1f} us (median {:9.1f})  {}\n", what, best * 1e6, median * 1e6, device.last_kernel());
    return {};
  }

  // The other ops of a step, in the sizes of a 135 M model: 9 query and 3 key heads of 64, 49,152 words.
  Result<> other_ops() {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    constexpr int64_t kWords = 49152, kKeys = 1024, kPages = kKeys / 16, kRows = 256;
    std::vector<float> logits(kWords), out(kWords), cache(kKeys * 3 * 64 * 2);
    for (float& v : logits) v = 3 * normal(random);
    for (float& v : cache) v = normal(random);
    const DType kv = device.kv_dtype();
    std::vector<uint8_t> stored(static_cast<size_t>(bytes_of(kv, kKeys * 3 * 64 * 2)));
    quantise_row(kv, cache.data(), stored.data(), kKeys * 3 * 64 * 2);
    fmt::print("\n");
    float temperature = 1, top_p = 1, min_p = 0, uniform = 0.7f;
    int32_t top_k = 0, token = 0;
    HearthOpCall draw{};
    draw.inputs[0] = view(logits.data(), DType::F32, {1, kWords});
    draw.inputs[1] = view(&temperature, DType::F32, {1});
    draw.inputs[2] = view(&top_k, DType::I32, {1});
    draw.inputs[3] = view(&top_p, DType::F32, {1});
    draw.inputs[4] = view(&min_p, DType::F32, {1});
    draw.inputs[5] = view(&uniform, DType::F32, {1});
    draw.outputs[0] = view(&token, DType::I32, {1});
    TRY(time("sample, temperature 1", ops::Op::Sample, draw));
    top_p = 0.9f;
    TRY(time("sample, top_p 0.9", ops::Op::Sample, draw));
    top_k = 40;
    TRY(time("sample, top_k 40, top_p 0.9", ops::Op::Sample, draw));
    temperature = 0;
    TRY(time("sample, greedy", ops::Op::Sample, draw));
    HearthOpCall row{};
    row.inputs[0] = draw.inputs[0];
    row.outputs[0] = view(out.data(), DType::F32, {1, kWords});
    TRY(time("softmax of 49152", ops::Op::Softmax, row));
    TRY(time("log_softmax of 49152", ops::Op::LogSoftmax, row));
    HearthOpCall gate{};
    gate.inputs[0] = view(logits.data(), DType::F32, {1, 3072});
    gate.outputs[0] = view(out.data(), DType::F32, {1, 1536});
    TRY(time("gated_silu of 2 x 1536", ops::Op::GatedSilu, gate));
    std::vector<float> frequencies(32, 0.1f);
    std::vector<int32_t> positions(kRows);
    for (size_t i = 0; i < kRows; ++i) positions[i] = static_cast<int32_t>(i);
    HearthOpCall turn{};
    turn.inputs[0] = view(logits.data(), DType::F32, {1, 9, 64});
    turn.inputs[1] = view(positions.data(), DType::I32, {1});
    turn.inputs[2] = view(frequencies.data(), DType::F32, {32});
    turn.outputs[0] = view(out.data(), DType::F32, {1, 9, 64});
    TRY(time("rope of 9 heads", ops::Op::Rope, turn));
    std::vector<int32_t> pages(kPages);
    for (size_t i = 0; i < pages.size(); ++i) pages[i] = static_cast<int32_t>(i);
    for (const auto& [rows, keys] : {std::pair<int32_t, int32_t>{1, 128}, {1, 1024}, {kRows, 256}, {kRows, 1024}}) {
      std::vector<float> q(static_cast<size_t>(rows) * 9 * 64, 0.1f), y(q.size());
      const int32_t indptr[] = {0, rows}, page_indptr[] = {0, kPages};
      HearthOpCall attend{};
      ops::PagedAttentionAttributes attributes;
      attributes.scale = 0.125f;
      attend.attributes = &attributes;
      attend.inputs[0] = view(q.data(), DType::F32, {rows, 9, 64});
      attend.inputs[1] = view(stored.data(), kv, {kPages, 3, 16, 64});
      attend.inputs[2] = view(stored.data() + stored.size() / 2, kv, {kPages, 3, 16, 64});
      attend.inputs[3] = view(indptr, DType::I32, {2});
      attend.inputs[4] = view(pages.data(), DType::I32, {kPages});
      attend.inputs[5] = view(page_indptr, DType::I32, {2});
      attend.inputs[6] = view(&keys, DType::I32, {1});
      attend.outputs[0] = view(y.data(), DType::F32, {rows, 9, 64});
      TRY(time(fmt::format("paged_attention of {} rows, {} keys", rows, keys), ops::Op::PagedAttention, attend));
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
  TRY(b.other_ops());
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
  bool quick = false, cpu_time = false;
  app.add_option("--isa", options.isa, "portable, avx2 or avx512; the best of the machine when empty");
  app.add_option("--threads", options.threads, "0: one a core");
  app.add_option("--types", types, "weight types, separated by commas");
  app.add_flag("--quick", quick, "the small shape only");
  app.add_flag("--cpu-time", cpu_time, "measure processor time, for a busy machine; takes one thread");
  CLI11_PARSE(app, argc, argv);
  if (cpu_time) {
    options.threads = 1;
    hearth::bench::use_cpu_time();
  }
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
