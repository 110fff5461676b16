#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <stop_token>

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

size_t faults_of(std::span<const std::byte> bytes) {
  rusage before{}, after{};
  ::getrusage(RUSAGE_THREAD, &before);
  for (size_t at = 0; at < bytes.size(); at += 4096) (void)*static_cast<const volatile std::byte*>(&bytes[at]);
  ::getrusage(RUSAGE_THREAD, &after);
  return static_cast<size_t>(after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt);
}

TEST(MappedFile, PrefaultedPagesAreTouchedWithoutAFault) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer's shadow of the bytes faults when they are read";
#endif
  const TemporaryFolder folder;
  const auto path = folder / "d.bin";
  ASSERT_TRUE(write_file(path, std::string(size_t{16} << 20, 'x')));
  const auto cold = MappedFile::open(path).value(), warm = MappedFile::open(path).value(),
             stopped = MappedFile::open(path).value();
  std::stop_source stop;
  prefault(warm.bytes().subspan(5), stop.get_token());
  stop.request_stop();
  prefault(stopped.bytes(), stop.get_token());
  prefault({}, {});
  const size_t want = faults_of(cold.bytes());
  EXPECT_LT(faults_of(warm.bytes()), want / 4);
  EXPECT_GT(faults_of(stopped.bytes()), want / 2);
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
