// The text cases of tests/cases/graph: what they are and how they are read is said in the README there.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace hearth::graph {

struct TextCase {
  std::string name, text;
  std::vector<std::string> options;  // words after the name's line: "input x float[2,3]"
  std::vector<std::string> want;     // without "-> "
};

inline std::vector<TextCase> read_cases(const std::string& file) {
  const std::filesystem::path path = std::filesystem::path(HEARTH_SOURCE_DIR) / "tests/cases/graph" / file;
  std::ifstream in(path);
  EXPECT_TRUE(in) << path;
  std::vector<TextCase> cases;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("case ")) {
      cases.emplace_back().name = line.substr(5);
    } else if (cases.empty()) {
      EXPECT_TRUE(line.empty() || line.starts_with("#")) << path << ": " << line;
    } else if (line.starts_with("-> ")) {
      cases.back().want.push_back(line.substr(3));
    } else if (line.starts_with("with ")) {
      cases.back().options.push_back(line.substr(5));
    } else {
      cases.back().text += line + "\n";
    }
  }
  EXPECT_FALSE(cases.empty()) << path;
  return cases;
}

}  // namespace hearth::graph
