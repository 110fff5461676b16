#include <fmt/format.h>

#include "cli/quantity.h"
#include "flame/commands.h"
#include "import/onnx/write_onnx.h"
#include "import/pfm/write_pfm.h"
#include "import/read_model.h"

namespace hearth::flame {

namespace {

constexpr uint64_t kExternalBytes = 1024;  // smaller weights stay in the model's own file

}  // namespace

Result<> convert(const ConvertWords& words) {
  const std::filesystem::path out = words.output;
  const bool pfm = out.extension() == ".pfm";
  if (!pfm && out.extension() != ".onnx")
    return fail(ErrorKind::Usage, "[convert] got '{}', need a name that ends in .onnx or .pfm", words.output);
  if (pfm && words.external)
    return fail(ErrorKind::Usage, "[convert] --external-data is for .onnx files; a .pfm holds its weights");
  graph::Model model;
  if (words.level > 0) {
    ModelWords how{.model = words.model, .level = words.level, .keep_weights = true};
    for (const passes::PassInfo& pass : passes::all_passes())
      if (pass.internal) how.disabled_passes.emplace_back(pass.name);
    ASSIGN_OR_RETURN(const auto session, open_session(how));
    model = session->model().clone();
  } else {
    ASSIGN_OR_RETURN(model, import::read_model(words.model));
  }
  if (pfm)
    TRY(import::write_pfm(model, out));
  else
    TRY(import::write_onnx(model, out,
                           {.external_bytes = words.external ? std::optional(kExternalBytes) : std::nullopt}));
  std::error_code ignored;
  fmt::print(stderr, "wrote {} ({} in {} nodes)\n", out.string(),
             cli::bytes_text(std::filesystem::file_size(out, ignored)), model.graph.nodes.size());
  return {};
}

}  // namespace hearth::flame
