// Ctrl-C (and SIGTERM): the first asks for the end through a stop token, the second ends the process at once with code
// 130. Made first thing in main, before any other thread: threads started later inherit the blocked signals, and one
// thread of this object takes them. Signals to other programs are not blocked: see base/process.
#pragma once

#include <csignal>
#include <stop_token>
#include <thread>

namespace hearth::cli {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;

  std::stop_token token() const { return asked_.get_token(); }

 private:
  void wait();

  std::stop_source asked_;
  sigset_t watched_{};
  int wake_ = -1;  // written to when the object ends
  std::thread thread_;
};

}  // namespace hearth::cli
