#include "ops/cpu/isa.h"

#include <fmt/ranges.h>

#include <array>
#include <cstdlib>
#include <iterator>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace hearth::ops::cpu {
namespace {

constexpr std::array kNames{"portable", "avx2", "avx512"};

#if defined(__x86_64__)
struct Flag {
  const char* name;
  Isa needed_by;
  unsigned leaf;
  int reg;  // 1 ebx, 2 ecx
  int bit;
};
constexpr Flag kFlags[] = {
    {"fma", Isa::Avx2, 1, 2, 12},        {"f16c", Isa::Avx2, 1, 2, 29},       {"avx", Isa::Avx2, 1, 2, 28},
    {"avx2", Isa::Avx2, 7, 1, 5},        {"avx512f", Isa::Avx512, 7, 1, 16},  {"avx512dq", Isa::Avx512, 7, 1, 17},
    {"avx512bw", Isa::Avx512, 7, 1, 30}, {"avx512vl", Isa::Avx512, 7, 1, 31}, {"avx512_vnni", Isa::Avx512, 7, 2, 11},
};

// Register state that the operating system saves: a flag alone does not make the wide registers usable.
unsigned saved_state() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & (1u << 27)) == 0) return 0;
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}
#endif

}  // namespace

std::string_view to_string(Isa isa) {
  return kNames[static_cast<size_t>(isa)];
}

std::vector<std::string> missing_flags(Isa isa) {
  std::vector<std::string> missing;
#if defined(__x86_64__)
  if (isa == Isa::Portable) return missing;
  for (const Flag& flag : kFlags) {
    if (flag.needed_by > isa) continue;
    unsigned regs[4] = {};
    const bool known = __get_cpuid_count(flag.leaf, 0, &regs[0], &regs[1], &regs[2], &regs[3]) != 0;
    if (!known || (regs[flag.reg] >> flag.bit & 1u) == 0) missing.emplace_back(flag.name);
  }
  const unsigned state = saved_state();
  const unsigned needed = isa == Isa::Avx512 ? 0xe6u : 0x6u;
  if ((state & needed) != needed) missing.emplace_back("operating system support for wide registers");
#else
  if (isa != Isa::Portable) missing.emplace_back("an x86-64 processor");
#endif
  return missing;
}

Isa best_isa() {
  if (missing_flags(Isa::Avx512).empty()) return Isa::Avx512;
  if (missing_flags(Isa::Avx2).empty()) return Isa::Avx2;
  return Isa::Portable;
}

bool has_bf16_dot() {
#if defined(__x86_64__)
  static const bool has = [] {  // cpuid takes microseconds in a virtual machine
    unsigned a = 0, b = 0, c = 0, d = 0;
    return missing_flags(Isa::Avx512).empty() && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & 1u << 5) != 0;
  }();
  return has;
#else
  return false;
#endif
}

Result<Isa> choose_isa(std::string_view requested) {
  std::string_view from = "the option isa";
  if (requested.empty()) {
    const char* forced = std::getenv("HEARTH_ISA");
    if (forced == nullptr || *forced == '\0') return best_isa();
    requested = forced;
    from = "HEARTH_ISA";
  }
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (requested != kNames[i]) continue;
    const Isa isa = static_cast<Isa>(i);
    if (const auto missing = missing_flags(isa); !missing.empty())
      return fail(ErrorKind::Unsupported, "[cpu] instruction set of {}; got {}, need a machine with {}", from,
                  requested, fmt::join(missing, ", "));
    return isa;
  }
  return fail(ErrorKind::Usage, "[cpu] instruction set of {}; got \"{}\", need portable, avx2 or avx512", from,
              requested);
}

}  // namespace hearth::ops::cpu
