#include "base/quote_bytes.h"

#include <gtest/gtest.h>

namespace hearth {
namespace {

TEST(Quoted, PlainTextAndCharactersStay) {
  EXPECT_EQ(quote_bytes("aé€😀"), "\"aé€😀\"");
}

TEST(Quoted, WhatTerminalsOrParsersWouldReadIsEscaped) {
  EXPECT_EQ(quote_bytes("a\"b\\c\n\x1b[0m"), "\"a\\\"b\\\\c\\n\\x1b[0m\"");
}

TEST(Quoted, IllFormedBytesAreEscapedOneByOne) {
  EXPECT_EQ(quote_bytes("\xff"), "\"\\xff\"");
  EXPECT_EQ(quote_bytes("\xe2\x82"), "\"\\xe2\\x82\"");           // cut off
  EXPECT_EQ(quote_bytes("\xc0\xaf"), "\"\\xc0\\xaf\"");           // overlong
  EXPECT_EQ(quote_bytes("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"");  // a surrogate
  EXPECT_EQ(quote_bytes("\xf5\x80\x80\x80"), "\"\\xf5\\x80\\x80\\x80\"");
}

TEST(Quoted, LongTextIsCut) {
  EXPECT_EQ(quote_bytes("abcdef", 3), "\"abc…\"");
}

}  // namespace
}  // namespace hearth
