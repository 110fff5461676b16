#include "ops/cpu/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <thread>
#include <vector>

namespace hearth::ops::cpu {
namespace {

double cpu_seconds() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

TEST(ThreadPool, EveryPartRunsOncePerJob) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    std::vector<std::atomic<int>> runs(static_cast<size_t>(threads));
    for (int job = 0; job < 5000; ++job) {
      pool.parallel([&](int part, int parts) {
        ASSERT_EQ(parts, threads);
        runs[static_cast<size_t>(part)].fetch_add(1, std::memory_order_relaxed);
      });
      for (const auto& r : runs) ASSERT_EQ(r.load(), job + 1) << "after run() a part was missing or ran twice";
    }
  }
}

TEST(ThreadPool, JobsAfterAPauseFindSleepingWorkers) {
  ThreadPool pool(3);
  std::atomic<int> runs{0};
  for (int job = 0; job < 20; ++job) {
    std::this_thread::sleep_for(ThreadPool::kSpin * 20);
    pool.parallel([&](int, int) { runs.fetch_add(1); });
    ASSERT_EQ(runs.load(), (job + 1) * 3);
  }
}

TEST(ThreadPool, IdleWorkersBurnNothing) {
  ThreadPool pool(4);
  pool.parallel([](int, int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // past the spinning
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(cpu_seconds() - before, 0.02);
}

TEST(ThreadPool, CanBeDestroyedWhileItSpinsOrSleeps) {
  for (int i = 0; i < 50; ++i) {
    ThreadPool pool(3);
    if (i % 2 == 0) pool.parallel([](int, int) {});
    if (i % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(ThreadPool, ItsEndRunsNoJob) {
  for (int i = 0; i < 2000; ++i) {
    std::atomic<int> runs{0};
    {
      ThreadPool pool(2);  // ended while its worker starts, or spins behind a job
      if (i % 2 == 0) pool.parallel([&](int, int) { ++runs; });
    }
    ASSERT_EQ(runs.load(), i % 2 == 0 ? 2 : 0);
  }
}

TEST(ThreadPool, CountsTheCoresOfTheAffinityMask) {
  EXPECT_GE(usable_cores(), 1);
  EXPECT_LE(usable_cores(), static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace hearth::ops::cpu
