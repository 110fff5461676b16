// Columns of text, aligned; the last column is not padded. Cells are plain ASCII or UTF-8 without wide characters.
#pragma once

#include <string>
#include <vector>

namespace hearth::cli {

using Row = std::vector<std::string>;

// Every row has as many cells as the header.
std::string table(const Row& header, const std::vector<Row>& rows);

}  // namespace hearth::cli
