#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "cli/terminal.h"
#include "pie/commands/commands.h"
#include "pie/health.h"

namespace hearth::pie {
namespace {

const char* word_of(Finding::State state) {
  return state == Finding::State::Good ? "ok" : state == Finding::State::Missing ? "missing" : "bad";
}

void print_for_people(const std::vector<Finding>& findings) {
  const auto terminal = cli::Terminal::of(stdout);
  for (const auto& finding : findings) {
    const auto colour = finding.state == Finding::State::Good      ? cli::Colour::Green
                        : finding.state == Finding::State::Missing ? cli::Colour::Yellow
                                                                   : cli::Colour::Red;
    fmt::print("{}  {:15}  {}\n", terminal.paint(colour, fmt::format("{:7}", word_of(finding.state))), finding.topic,
               finding.detail);
    if (!finding.fix.empty()) fmt::print("{:26}→ {}\n", "", finding.fix);
  }
}

}  // namespace

Result<> doctor(const DoctorOptions& options) {
  const auto findings = examine(options.config);
  std::vector<std::string> bad;
  for (const auto& finding : findings)
    if (finding.state == Finding::State::Bad) bad.push_back(finding.topic);
  for (const auto& finding : findings)
    log_info("[doctor] {}: {}: {}", finding.topic, word_of(finding.state), finding.detail);
  if (options.json) {
    nlohmann::ordered_json json;
    json["healthy"] = bad.empty();
    json["findings"] = nlohmann::ordered_json::array();
    for (const auto& finding : findings)
      json["findings"].push_back({{"topic", finding.topic},
                                  {"state", word_of(finding.state)},
                                  {"detail", finding.detail},
                                  {"fix", finding.fix}});
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    print_for_people(findings);
  }
  if (!bad.empty()) return fail(ErrorKind::NotFound, "[doctor] `pie run` needs {}", fmt::join(bad, ", "));
  return {};
}

}  // namespace hearth::pie
