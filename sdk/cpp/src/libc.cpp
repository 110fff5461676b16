// What libc asks of the system, given by WASI 0.2 directly: standard output and error, clocks, random numbers. It
// stands in for the adapter, which would import fifteen interfaces. A guest that needs more (files, say) is linked
// without this file and with the adapter; `pie build` sees to it.
#include <wasi/api.h>

#include <cstring>

#include "../generated/hearth_guest.h"
#include "output.hpp"

// libc's own wrappers call these names; the signatures are those of preview 1, pointers as i32.
#define SYSTEM(name) __imported_wasi_snapshot_preview1_##name

namespace {

template <class T>
T* at(int32_t address) {
  return reinterpret_cast<T*>(static_cast<uintptr_t>(static_cast<uint32_t>(address)));
}
bool is_output(int32_t fd) {
  return fd == 1 || fd == 2;
}

}  // namespace

extern "C" {

int32_t SYSTEM(fd_write)(int32_t fd, int32_t pieces, int32_t count, int32_t written) {
  if (!is_output(fd)) return __WASI_ERRNO_BADF;
  uint32_t total = 0;
  for (const auto* piece = at<__wasi_ciovec_t>(pieces); count > 0; ++piece, --count) {
    if (!hearth::write_stream(static_cast<uint32_t>(fd), piece->buf, piece->buf_len)) return __WASI_ERRNO_PIPE;
    total += piece->buf_len;
  }
  *at<uint32_t>(written) = total;
  return __WASI_ERRNO_SUCCESS;
}
int32_t SYSTEM(fd_read)(int32_t fd, int32_t, int32_t, int32_t read) {  // standard input is empty
  *at<uint32_t>(read) = 0;
  return fd == 0 ? __WASI_ERRNO_SUCCESS : __WASI_ERRNO_BADF;
}
int32_t SYSTEM(fd_close)(int32_t fd) {
  return fd >= 0 && fd <= 2 ? __WASI_ERRNO_SUCCESS : __WASI_ERRNO_BADF;
}
int32_t SYSTEM(fd_seek)(int32_t fd, int64_t, int32_t, int32_t) {
  return fd >= 0 && fd <= 2 ? __WASI_ERRNO_SPIPE : __WASI_ERRNO_BADF;
}
int32_t SYSTEM(fd_fdstat_get)(int32_t fd, int32_t out) {
  if (fd < 0 || fd > 2) return __WASI_ERRNO_BADF;
  __wasi_fdstat_t stat{};
  stat.fs_filetype = __WASI_FILETYPE_CHARACTER_DEVICE;
  stat.fs_rights_base = is_output(fd) ? __WASI_RIGHTS_FD_WRITE : __WASI_RIGHTS_FD_READ;
  *at<__wasi_fdstat_t>(out) = stat;
  return __WASI_ERRNO_SUCCESS;
}

int32_t SYSTEM(clock_time_get)(int32_t clock, int64_t, int32_t out) {
  if (clock == static_cast<int32_t>(__WASI_CLOCKID_REALTIME)) {
    wasi_clocks_wall_clock_datetime_t now;
    wasi_clocks_wall_clock_now(&now);
    *at<uint64_t>(out) = now.seconds * 1'000'000'000 + now.nanoseconds;
  } else {
    *at<uint64_t>(out) = wasi_clocks_monotonic_clock_now();
  }
  return __WASI_ERRNO_SUCCESS;
}
int32_t SYSTEM(random_get)(int32_t out, int32_t size) {
  auto* bytes = at<uint8_t>(out);
  for (auto left = static_cast<uint32_t>(size); left > 0;) {
    const uint64_t random = wasi_random_random_get_random_u64();
    const uint32_t count = left < 8 ? left : 8;
    std::memcpy(bytes, &random, count);
    bytes += count;
    left -= count;
  }
  return __WASI_ERRNO_SUCCESS;
}

int32_t SYSTEM(environ_sizes_get)(int32_t count, int32_t size) {  // guests have no environment
  *at<uint32_t>(count) = *at<uint32_t>(size) = 0;
  return __WASI_ERRNO_SUCCESS;
}
int32_t SYSTEM(environ_get)(int32_t, int32_t) {
  return __WASI_ERRNO_SUCCESS;
}
int32_t SYSTEM(sched_yield)() {
  return __WASI_ERRNO_SUCCESS;
}
[[noreturn]] void SYSTEM(proc_exit)(int32_t) {
  __builtin_trap();
}  // there is no process to leave: the guest ends here
}
