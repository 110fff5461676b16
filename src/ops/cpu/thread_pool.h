// Threads that wait for one job at a time. A job is split in as many parts as there are threads, the caller's included;
// whoever is free takes a part, so a worker that sleeps or lost its core delays nobody: the caller does its part.
// After a job a worker spins for kSpin, because the next one usually follows within microseconds, then sleeps.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace hearth::ops::cpu {

// Cores this process may use.
int usable_cores();

class ThreadPool {
 public:
  using Job = void (*)(void* context, int part, int parts);
  static constexpr std::chrono::microseconds kSpin{50};

  // threads counts the caller; at least 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // One caller at a time. The job must not throw and must not call run() itself.
  void run(Job job, void* context);

  template <class Function>
  void parallel(Function&& function) {
    run([](void* context, int part, int parts) { (*static_cast<Function*>(context))(part, parts); }, &function);
  }

 private:
  // A part of job number g is offered as ticket 2g and taken by whoever turns it into 2g + 1.
  struct alignas(128) Worker {
    std::atomic<uint32_t> ticket{0};
    std::atomic<uint32_t> sleeping{0};
    alignas(128) std::atomic<uint32_t> done{0};
    std::thread thread;
  };
  void serve(Worker& worker, int part);

  alignas(128) Job job_ = nullptr;
  void* context_ = nullptr;
  std::atomic<bool> stop_{false};
  uint32_t generation_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace hearth::ops::cpu
