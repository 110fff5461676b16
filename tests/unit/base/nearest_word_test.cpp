#include "base/nearest_word.h"

#include <gtest/gtest.h>

namespace hearth {
namespace {

constexpr std::string_view kKnown[] = {"host", "port", "kv_page_size", "max_batch_tokens"};

TEST(NearestWord, FindsTypos) {
  EXPECT_EQ(nearest_word("prot", kKnown), "port");
  EXPECT_EQ(nearest_word("kv-pagesize", kKnown), "kv_page_size");
  EXPECT_EQ(nearest_word("max_batch_token", kKnown), "max_batch_tokens");
}

TEST(NearestWord, IsSilentAboutStrangers) {
  EXPECT_EQ(nearest_word("colour", kKnown), std::nullopt);
  EXPECT_EQ(suggestion("colour", kKnown), "");
}

TEST(NearestWord, SwapIsOneEdit) {
  EXPECT_EQ(edit_distance("prot", "port"), 1u);
}

}  // namespace
}  // namespace hearth
