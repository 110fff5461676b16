// Lines of a file descriptor, read on a thread that can be told to stop while it waits.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace hearth::pie {

class LineReader {
 public:
  // `on_line` gets each line without its end, `on_end` is called once when the input is over. Both on the reader's
  // thread.
  LineReader(int descriptor, std::function<void(std::string)> on_line, std::function<void()> on_end);
  ~LineReader();  // stops and waits
  LineReader(const LineReader&) = delete;

 private:
  void read();

  int descriptor_, wake_;
  std::function<void(std::string)> on_line_;
  std::function<void()> on_end_;
  std::thread thread_;
};

// stdin can be read without stopping the job: it is no terminal, or a terminal that belongs to us now.
bool may_read_stdin();

}  // namespace hearth::pie
