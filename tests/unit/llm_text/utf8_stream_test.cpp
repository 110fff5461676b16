// Bytes that come in pieces as text that never ends inside a character.
#include <nlohmann/json.hpp>

#include "tokenizer_fixture.h"

namespace hearth::llm {
namespace {

TEST(Utf8Stream, NeverHalfACharacterAndNothingLost) {
  std::mt19937 random(6);
  for (int i = 0; i < 500; ++i) {
    const std::string text = random_unicode(random, 30);
    Utf8Stream stream;
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const size_t length = std::min(text.size() - at, size_t(1 + random() % 3));
      const std::string part = stream.push(std::string_view(text).substr(at, length));
      EXPECT_NO_THROW(nlohmann::json(part).dump());  // throws on ill-formed text
      out += part;
      at += length;
    }
    EXPECT_EQ(out + stream.flush(), text);
  }
}

TEST(Utf8Stream, IllFormedBytesBecomeReplacementCharacters) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xE4\xB8"), "a");
  EXPECT_EQ(stream.push("\xAD"), "中");
  EXPECT_EQ(stream.push("\xE4\xB8x"), "\xEF\xBF\xBD\xEF\xBF\xBDx");
  EXPECT_EQ(stream.push("\xFF\xC0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(stream.push("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // a surrogate
  EXPECT_EQ(stream.push("\xF0\x9F\x99"), "");
  EXPECT_EQ(stream.flush(), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.flush(), "");
}

}  // namespace
}  // namespace hearth::llm
