// Which prepared files belong to which model: the key inside each begins with the model's fingerprint.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hearth::llm {

// packing_id: of the device that the weights are packed for; plan: which parts are packed under which names.
std::string prepared_key(std::string_view fingerprint, std::string_view packing_id, int plan);

// Removes what was prepared from the model with this fingerprint, for every device; gives the bytes that it freed. A
// process that has such a file mapped keeps it.
Result<uint64_t> remove_prepared(const std::filesystem::path& prepared_dir, std::string_view fingerprint);

}  // namespace hearth::llm
