#include <cstdio>

#include "cli/quantity.h"
#include "cli/terminal.h"
#include "pie/commands/commands.h"
#include "pie/program_log.h"

namespace hearth::pie {

Result<> build_command(const std::filesystem::path& config_path, BuildRequest request, std::stop_token stop) {
  ASSIGN_OR_RETURN(const auto config, load_config(config_path));
  TRY(open_program_log(config, {}));
  request.cache = cache_root(config.engine);
  request.colour = cli::Terminal::of(stderr).colour;
  ASSIGN_OR_RETURN(const auto report, build_inferlet(request, stop));
  if (!report.warnings.empty()) fmt::print(stderr, "{}", report.warnings);
  fmt::print("{}: {} in {:.1f} s{}\n", report.output.string(), cli::bytes_text(report.bytes), report.seconds,
             report.compiled_sdk ? " (the guest library was compiled too; that happens once)" : "");
  return {};
}

}  // namespace hearth::pie
