#include "ops/cpu/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <optional>

namespace hearth::ops::cpu {
namespace {

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

std::optional<cpu_set_t> cores_of_this_thread() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return std::nullopt;
  return set;
}

// Where workers may run: what the thread that made the first pool was allowed.
const std::optional<cpu_set_t>& cores_of_workers() {
  static const std::optional<cpu_set_t> cores = cores_of_this_thread();
  return cores;
}

// A worker that wakes up is to run beside the thread that wakes it. The kernel likes to put it on that one's core,
// where it waits until the other cores find it, and meanwhile the caller computes alone. Where it cannot be said,
// nothing is.
void keep_away_from_here(std::thread& worker) {
  const auto& cores = cores_of_workers();
  const int here = sched_getcpu();
  if (!cores || here < 0 || here >= CPU_SETSIZE) return;
  cpu_set_t others = *cores;
  CPU_CLR(here, &others);
  if (CPU_COUNT(&others) > 0) pthread_setaffinity_np(worker.native_handle(), sizeof others, &others);
}

}  // namespace

int usable_cores() {
  if (const auto cores = cores_of_this_thread()) return std::max(1, CPU_COUNT(&*cores));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

ThreadPool::ThreadPool(int threads) {
  if (threads > 1) cores_of_workers();  // before a caller can pin itself
  for (int i = 1; i < threads; ++i) workers_.push_back(std::make_unique<Worker>());
  for (size_t i = 0; i < workers_.size(); ++i)
    workers_[i]->thread = std::thread([this, i] { serve(*workers_[i], static_cast<int>(i) + 1); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  for (auto& worker : workers_) {
    worker->ticket.fetch_add(2);
    worker->ticket.notify_one();
  }
  for (auto& worker : workers_) worker->thread.join();
}

void ThreadPool::run(Job job, void* context) {
  const int parts = threads();
  if (parts == 1) {
    job(context, 0, 1);
    return;
  }
  job_ = job;
  context_ = context;
  const uint32_t offered = ++generation_ * 2;
  for (auto& worker : workers_) {
    worker->ticket.store(offered, std::memory_order_seq_cst);
    if (worker->sleeping.load(std::memory_order_seq_cst) == 0) continue;
    keep_away_from_here(worker->thread);
    worker->ticket.notify_one();
  }
  job(context, 0, parts);
  // Parts nobody took yet are the caller's: cheaper than waiting for a thread to wake up.
  for (int i = 1; i < parts; ++i) {
    Worker& worker = *workers_[static_cast<size_t>(i) - 1];
    uint32_t expected = offered;
    if (worker.ticket.load(std::memory_order_relaxed) == offered &&
        worker.ticket.compare_exchange_strong(expected, offered + 1, std::memory_order_acq_rel)) {
      job(context, i, parts);
      worker.done.store(offered, std::memory_order_relaxed);
    }
  }
  for (auto& worker : workers_) {
    for (int spins = 0; worker->done.load(std::memory_order_acquire) != offered; ++spins) {
      pause();
      if (spins >= 20000) {  // far beyond any balanced share: the worker lost its core, so give it ours
        std::this_thread::yield();
      }
    }
  }
}

void ThreadPool::serve(Worker& worker, int part) {
  using Clock = std::chrono::steady_clock;
  uint32_t seen = 0;  // the last ticket value that offered nothing to us any more
  for (;;) {
    uint32_t ticket = worker.ticket.load(std::memory_order_acquire);
    if (stop_.load(std::memory_order_relaxed)) return;
    if (ticket == seen || (ticket & 1) != 0) {
      seen = ticket;
      const auto end = Clock::now() + kSpin;
      for (;;) {
        for (int i = 0; i < 64 && (ticket = worker.ticket.load(std::memory_order_acquire)) == seen; ++i) pause();
        if (ticket != seen || Clock::now() >= end) break;
      }
      if (ticket == seen) {
        worker.sleeping.store(1, std::memory_order_seq_cst);
        worker.ticket.wait(seen, std::memory_order_seq_cst);
        worker.sleeping.store(0, std::memory_order_relaxed);
        continue;
      }
    }
    if ((ticket & 1) != 0) continue;
    if (stop_.load(std::memory_order_relaxed)) return;  // the end is a ticket without a job
    if (!worker.ticket.compare_exchange_strong(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
    job_(context_, part, static_cast<int>(workers_.size()) + 1);
    worker.done.store(ticket, std::memory_order_release);
  }
}

}  // namespace hearth::ops::cpu
