#include "cli/interrupt.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/result.h"

namespace hearth::cli {

Interrupt::Interrupt() {
  ::sigemptyset(&watched_);
  ::sigaddset(&watched_, SIGINT);
  ::sigaddset(&watched_, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &watched_, nullptr);
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  CHECK(wake_ >= 0);
  thread_ = std::thread([this] { wait(); });
}

Interrupt::~Interrupt() {
  const uint64_t one = 1;
  CHECK(::write(wake_, &one, sizeof one) == sizeof one);
  thread_.join();
  ::close(wake_);
}

void Interrupt::wait() {
  const int signals = ::signalfd(-1, &watched_, SFD_CLOEXEC);
  CHECK(signals >= 0);
  pollfd watched[2] = {{signals, POLLIN, 0}, {wake_, POLLIN, 0}};
  for (;;) {
    if (::poll(watched, 2, -1) < 0) continue;
    if (watched[1].revents != 0) break;
    signalfd_siginfo info{};
    if (::read(signals, &info, sizeof info) != sizeof info) continue;
    if (!asked_.request_stop()) ::_exit(130);  // the second time
  }
  ::close(signals);
}

}  // namespace hearth::cli
