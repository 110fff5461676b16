// A host for the guest library in this process: a model whose tokens are bytes and which says what it is told to say.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace hearth::fake_host {

constexpr uint32_t kStop = 256;     // the stop token
constexpr uint32_t kSpecial = 257;  // a token without text
constexpr uint32_t kPageSize = 4;

struct Draw {
  float temperature;
  uint32_t top_k;
  float top_p, min_p;
  uint64_t seed;
  bool operator==(const Draw&) const = default;
};
struct State {
  std::string script;                            // the bytes that passes draw, one after another; kStop after the last
  std::map<int32_t, std::string> scripts;        // of single contexts, where they differ
  uint32_t calls = 0;                            // of the guest, drops apart
  std::map<int32_t, std::string> contexts;       // what each has computed
  std::vector<uint32_t> committed;               // pages given to commit-working-pages, one entry a call
  std::vector<std::vector<uint32_t>> positions;  // of each pass
  std::vector<std::vector<uint32_t>> masks;      // of each pass with one
  std::vector<Draw> draws;                       // each that was attached
  std::string execute_error;                     // the next execute fails with it
  bool empty_output = false;                     // passes give no slots
  int handles = 0;                               // alive
};
State& state();
void reset();

}  // namespace hearth::fake_host
