#include "output.hpp"

#include <algorithm>

#include "hearth/session.hpp"

namespace hearth {
namespace {

constexpr size_t kMaxWrite = 4096;  // of one blocking-write-and-flush

}  // namespace

bool write_stream(uint32_t fd, const uint8_t* data, size_t size) {
  // Fetched once and never given back.
  static wasi_io_streams_own_output_stream_t streams[2] = {{-1}, {-1}};
  auto& stream = streams[fd == 2];
  if (stream.__handle == -1) stream = fd == 2 ? wasi_cli_stderr_get_stderr() : wasi_cli_stdout_get_stdout();
  while (size > 0) {
    const size_t count = std::min(size, kMaxWrite);
    hearth_guest_list_u8_t bytes{const_cast<uint8_t*>(data), count};
    wasi_io_streams_stream_error_t error;
    if (!wasi_io_streams_method_output_stream_blocking_write_and_flush(wasi_io_streams_borrow_output_stream(stream),
                                                                       &bytes, &error)) {
      wasi_io_streams_stream_error_free(&error);
      return false;
    }
    data += count;
    size -= count;
  }
  return true;
}

void print(std::string_view text) {
  write_stream(1, reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

}  // namespace hearth
