// Builds the inferlets that ship, and the guests of the tests, before there is a pie: inferlet_build SOURCE OUTPUT
// CACHE
#include <cstdio>

#include "pie/build.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("inferlet_build SOURCE OUTPUT CACHE\n", stderr);
    return 2;
  }
  const auto report = hearth::pie::build_inferlet({.source = argv[1], .output = argv[2], .cache = argv[3], .sdk = {}});
  if (!report) {
    std::fprintf(stderr, "%s\n", report.error().message.c_str());
    return hearth::exit_code(report.error().kind);
  }
  std::fputs(report->warnings.c_str(), stderr);
  return 0;
}
