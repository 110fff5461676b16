// From a [[model]] section to a file on this machine, brought here when that is wanted.
#pragma once

#include <filesystem>
#include <stop_token>

#include "base/result.h"
#include "pie/config.h"
#include "pie/model_store.h"

namespace hearth::pie {

// A model that is not here: the default model of a person without a configuration is downloaded at once; for others the
// person at the terminal is asked, and without a terminal it is an error that names the command. `dummy` is made.
Result<std::filesystem::path> require_model(const Config& config, const ModelSettings& model, std::stop_token stop);

}  // namespace hearth::pie
