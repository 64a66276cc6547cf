// SPDX-License-Identifier: Apache-2.0
#include "server/secret.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "gemma3n/error.h"
#include "server/private_file.h"

namespace gemma3n::server {
namespace {

TEST(Secret, IsNeverTheSame) {
  std::set<std::string> secrets;
  for (int i = 0; i < 1000; ++i) secrets.insert(RandomSecret());
  EXPECT_EQ(secrets.size(), 1000u);
  EXPECT_EQ(secrets.begin()->size(), 32u);
}

TEST(Secret, hostile_A07_IsTheSameOnlyWhole) {
  EXPECT_TRUE(SameSecret("secret", "secret"));
  for (const char* other : {"", "secre", "secret ", "secretsecret", "Secret", "secreT"}) {
    EXPECT_FALSE(SameSecret("secret", other)) << other;
  }
  EXPECT_FALSE(SameSecret("", ""));  // no secret is nobody's
}

TEST(GivenSecrets, HoldForAWhile) {
  GivenSecrets secrets(10);
  const std::string lasting = secrets.Give("ek_", "1", std::chrono::hours(1));
  const std::string brief = secrets.Give("", "2", std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(lasting.starts_with("ek_"));
  EXPECT_EQ(secrets.OwnerOf(lasting), "1");
  EXPECT_EQ(secrets.OwnerOf(brief), std::nullopt);
  EXPECT_EQ(secrets.OwnerOf(""), std::nullopt);
  secrets.Forget(lasting);
  EXPECT_EQ(secrets.OwnerOf(lasting), std::nullopt);
}

TEST(GivenSecrets, AreNotWithoutEnd) {
  GivenSecrets secrets(3);
  const std::string ends_first = secrets.Give("", "a", std::chrono::seconds(60));
  const std::string other = secrets.Give("", "b", std::chrono::seconds(90));
  for (int i = 0; i < 2; ++i) secrets.Give("", "c", std::chrono::hours(1));
  EXPECT_EQ(secrets.OwnerOf(ends_first), std::nullopt);
  EXPECT_EQ(secrets.OwnerOf(other), "b");
}

class PrivateFileTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(directory_); }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) / ("private_file_" + std::to_string(getpid()));
  const std::filesystem::path path_ = directory_ / "deep" / "key";
};

TEST_F(PrivateFileTest, IsForItsOwnerAlone) {
  EXPECT_EQ(ReadPrivateFile(path_), std::nullopt);
  WritePrivateFile(path_, "secret");
  struct stat facts {};
  ASSERT_EQ(stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_EQ(ReadPrivateFile(path_), "secret");
  WritePrivateFile(path_, "other");
  EXPECT_EQ(ReadPrivateFile(path_), "other");
  for (const auto& entry : std::filesystem::directory_iterator(path_.parent_path())) {
    EXPECT_EQ(entry.path(), path_);  // no part of one is left
  }
}

TEST_F(PrivateFileTest, IsNotReadWhereOthersCouldHaveMadeIt) {
  WritePrivateFile(path_, "secret");
  ASSERT_EQ(chmod(path_.c_str(), 0640), 0);
  EXPECT_EQ(ReadPrivateFile(path_), std::nullopt);
  std::filesystem::remove(path_);
  std::filesystem::create_symlink("/dev/zero", path_);
  EXPECT_EQ(ReadPrivateFile(path_), std::nullopt);
  std::filesystem::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(ReadPrivateFile(path_), std::nullopt);
}

TEST_F(PrivateFileTest, SaysWhereItCannotBe) {
  std::filesystem::create_directories(directory_);
  std::ofstream(directory_ / "file") << "x";
  EXPECT_THROW(WritePrivateFile(directory_ / "file" / "key", "x"), Error);
}

}  // namespace
}  // namespace gemma3n::server
