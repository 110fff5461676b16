#include "base/file.h"

#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace hearth {
namespace {

TEST(AtomicFile, AppearsOnlyAfterCommit) {
  const TemporaryFolder folder;
  const auto path = folder / "sub" / "a.txt";
  {
    auto file = AtomicFile::create(path, 0600).value();
    ASSERT_TRUE(file.write("hello"));
    EXPECT_FALSE(std::filesystem::exists(path));
    ASSERT_TRUE(file.commit());
  }
  EXPECT_EQ(read_file(path).value(), "hello");
  EXPECT_EQ(std::filesystem::status(path).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST(AtomicFile, DroppedLeavesNothing) {
  const TemporaryFolder dir;
  {
    auto file = AtomicFile::create(dir / "b.txt").value();
    ASSERT_TRUE(file.write("half"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(MappedFile, SeesWhatWasWritten) {
  const TemporaryFolder folder;
  const auto path = folder / "c.bin";
  ASSERT_TRUE(write_file(path, "abc"));
  const auto file = MappedFile::open(path).value();
  ASSERT_EQ(file.bytes().size(), 3u);
  EXPECT_EQ(std::to_integer<char>(file.bytes()[2]), 'c');
}

TEST(MappedFile, MissingFileNamesThePath) {
  const auto file = MappedFile::open("/no/such/file");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().kind, ErrorKind::NotFound);
  EXPECT_NE(file.error().message.find("/no/such/file"), std::string::npos);
}

TEST(ReadFile, RefusesMoreThanTheLimit) {
  const TemporaryFolder folder;
  const auto path = folder / "d.bin";
  ASSERT_TRUE(write_file(path, std::string(100, 'x')));
  EXPECT_EQ(read_file(path, 99).error().kind, ErrorKind::Limit);
}

}  // namespace
}  // namespace hearth
