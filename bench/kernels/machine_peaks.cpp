#include "machine_peaks.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <vector>

#include "ops/cpu/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hearth::bench {
namespace {

std::atomic<uint64_t> sink;
clockid_t clock_id = CLOCK_MONOTONIC;

#if defined(__x86_64__)
// 20 independent chains hide the latency of the two pipes.
#define HEARTH_CHAINS(step)                                                                                           \
  step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10) step(11) step(12) step(13) \
      step(14) step(15) step(16) step(17) step(18) step(19)

__attribute__((target("avx512f"))) void f32_loop(int64_t rounds) {
#define HEARTH_CLEAR(i) asm volatile("vpxord %%zmm" #i ",%%zmm" #i ",%%zmm" #i ::: "memory");
#define HEARTH_STEP(i) asm volatile("vfmadd231ps %%zmm30,%%zmm31,%%zmm" #i ::: "memory");
  HEARTH_CHAINS(HEARTH_CLEAR)
  asm volatile("vpxord %%zmm30,%%zmm30,%%zmm30\n vpxord %%zmm31,%%zmm31,%%zmm31" ::: "memory");
  for (int64_t i = 0; i < rounds; ++i) {
    HEARTH_CHAINS(HEARTH_STEP)
  }
  asm volatile("vzeroupper" ::: "memory");
#undef HEARTH_STEP
}
__attribute__((target("avx512f,avx512vnni"))) void int8_loop(int64_t rounds) {
#define HEARTH_STEP(i) asm volatile("vpdpbusd %%zmm30,%%zmm31,%%zmm" #i ::: "memory");
  HEARTH_CHAINS(HEARTH_CLEAR)
  asm volatile("vpxord %%zmm30,%%zmm30,%%zmm30\n vpxord %%zmm31,%%zmm31,%%zmm31" ::: "memory");
  for (int64_t i = 0; i < rounds; ++i) {
    HEARTH_CHAINS(HEARTH_STEP)
  }
  asm volatile("vzeroupper" ::: "memory");
#undef HEARTH_STEP
}
__attribute__((target("avx512f"))) void bf16_loop(int64_t rounds) {
#define HEARTH_STEP(i) asm volatile("vdpbf16ps %%zmm30,%%zmm31,%%zmm" #i ::: "memory");
  HEARTH_CHAINS(HEARTH_CLEAR)
  asm volatile("vpxord %%zmm30,%%zmm30,%%zmm30\n vpxord %%zmm31,%%zmm31,%%zmm31" ::: "memory");
  for (int64_t i = 0; i < rounds; ++i) {
    HEARTH_CHAINS(HEARTH_STEP)
  }
  asm volatile("vzeroupper" ::: "memory");
#undef HEARTH_STEP
#undef HEARTH_CLEAR
}
#undef HEARTH_CHAINS
#endif

template <class Function>
double median_of(int rounds, Function&& measure) {
  std::vector<double> values;
  for (int i = 0; i < rounds; ++i) values.push_back(measure());
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

[[maybe_unused]] double peak(ops::cpu::ThreadPool& pool, void (*loop)(int64_t), double operations) {
  constexpr int64_t kRounds = 200000;
  return median_of(5, [&] {
    const double start = now_s();
    pool.parallel([&](int, int) { loop(kRounds); });
    return 20.0 * operations * static_cast<double>(kRounds) * pool.threads() / (now_s() - start) * 1e-9;
  });
}

}  // namespace

double now_s() {
  timespec t{};
  clock_gettime(clock_id, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

void use_cpu_time() {
  clock_id = CLOCK_THREAD_CPUTIME_ID;
}

double f32_peak_gops([[maybe_unused]] ops::cpu::ThreadPool& pool) {
#if defined(__x86_64__)
  if (ops::cpu::missing_flags(ops::cpu::Isa::Avx512).empty()) return peak(pool, f32_loop, 32);
#endif
  return 0;
}

double int8_peak_gops([[maybe_unused]] ops::cpu::ThreadPool& pool) {
#if defined(__x86_64__)
  if (ops::cpu::missing_flags(ops::cpu::Isa::Avx512).empty()) return peak(pool, int8_loop, 128);
#endif
  return 0;
}

double bf16_peak_gops([[maybe_unused]] ops::cpu::ThreadPool& pool) {
#if defined(__x86_64__)
  if (ops::cpu::has_bf16_dot()) return peak(pool, bf16_loop, 64);
#endif
  return 0;
}

double read_gbps(ops::cpu::ThreadPool& pool, const void* data, size_t bytes) {
  const size_t words = bytes / 8;
  return median_of(5, [&] {
    const double start = now_s();
    pool.parallel([&](int part, int parts) {
      const auto* p = static_cast<const uint64_t*>(data);
      const size_t end = words * static_cast<size_t>(part + 1) / static_cast<size_t>(parts);
      uint64_t sums[16] = {};
      for (size_t i = words * static_cast<size_t>(part) / static_cast<size_t>(parts); i + 16 <= end; i += 16)
        for (size_t j = 0; j < 16; ++j) sums[j] ^= p[i + j];
      for (uint64_t s : sums) sink.fetch_xor(s, std::memory_order_relaxed);
    });
    return static_cast<double>(bytes) / (now_s() - start) * 1e-9;
  });
}

double fork_join_ns(ops::cpu::ThreadPool& pool) {
  constexpr int kJobs = 20000;
  return median_of(5, [&] {
    const double start = now_s();
    for (int i = 0; i < kJobs; ++i) pool.parallel([](int, int) {});
    return (now_s() - start) / kJobs * 1e9;
  });
}

}  // namespace hearth::bench
