// libc++ is compiled with stack protectors but comes without what they call.
#include <cstdint>

extern "C" {
uintptr_t __stack_chk_guard = 0x5bd1e995;
[[noreturn]] void __stack_chk_fail() {
  __builtin_trap();
}
}
