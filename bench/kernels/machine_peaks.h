// What the machine reaches in loops that do nothing else, on all threads of a pool: the measure for the kernels.
#pragma once

#include <cstddef>

#include "ops/cpu/thread_pool.h"

namespace hearth::bench {

double now_s();
// From now on now_s() is processor time of the calling thread: for one-thread figures on a busy machine.
void use_cpu_time();

// Giga-operations a second (a multiply-add counts two) of f32 fused multiply-adds, of 8-bit dot products and of brain
// float ones; 0 when this processor has no loop here (needs AVX-512 with VNNI, with BF16 for the last).
double f32_peak_gops(ops::cpu::ThreadPool& pool);
double int8_peak_gops(ops::cpu::ThreadPool& pool);
double bf16_peak_gops(ops::cpu::ThreadPool& pool);

// Giga-bytes a second of reading [data, data + bytes) once.
double read_gbps(ops::cpu::ThreadPool& pool, const void* data, size_t bytes);

// Nanoseconds of an empty job on all threads: under about 300 the cores share a cache, above they do not.
double fork_join_ns(ops::cpu::ThreadPool& pool);

}  // namespace hearth::bench
