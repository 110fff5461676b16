#include "pie/model_presence.h"

#include "cli/question.h"
#include "pie/dummy_model.h"
#include "pie/model_download.h"

namespace hearth::pie {

Result<std::filesystem::path> require_model(const Config& config, const ModelSettings& model, std::stop_token stop) {
  ASSIGN_OR_RETURN(const auto source, parse_source(source_of(model)));
  ModelStore store(cache_root(config.engine));
  if (source.kind == ModelSource::Kind::Dummy)
    return dummy_model(store.root(), static_cast<uint64_t>(model.random_seed));
  auto path = local_model_path(store, source);
  if (path || path.error().kind != ErrorKind::NotFound || source.kind == ModelSource::Kind::File) return path;
  const bool by_itself = config.path.empty();
  if (!offline() && !by_itself &&
      !cli::ask_yes_no(fmt::format("The model {} is not on this machine. Download it now?", source.text()), true,
                       false))
    return path;
  ASSIGN_OR_RETURN(const auto stored, download_model(store, source, {}, stop));
  return stored.model_path();
}

}  // namespace hearth::pie
