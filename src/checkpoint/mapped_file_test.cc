// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

using testing::HasSubstr;

class MappedFileTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ =
        std::filesystem::path(testing::TempDir()) /
        (std::string("mapped_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    Write(std::string(kBytes, 'a'));
  }
  void Write(const std::string& text) { std::ofstream(path_, std::ios::binary) << text; }

  static std::string MessageOf(const MappedFile& file) {
    try {
      file.CheckUnchanged();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  static constexpr size_t kBytes = 1 << 16;
  std::filesystem::path path_;
};

TEST_F(MappedFileTest, WhatIsResidentIsNoLongerTheFiles) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::string text(3 * page + 100, 'a');
  text[2 * page + 7] = 'x';
  text.back() = 'z';
  Write(text);
  const MappedFile file(path_);
  const auto at = [&](size_t i) { return static_cast<char>(file.bytes()[i]); };
  EXPECT_TRUE(file.MakeResident(file.bytes().subspan(2 * page + 5, page)));  // pages 2 and 3
  EXPECT_TRUE(file.MakeResident({}));
  EXPECT_EQ(at(2 * page + 7), 'x');
  EXPECT_EQ(at(3 * page), 'a');
  EXPECT_EQ(file.bytes().back(), std::byte{'z'});
  file.Advise(file.bytes(), MappedFile::Advice::kDontNeed);  // must not give the copy back
  std::fstream(path_, std::ios::in | std::ios::out | std::ios::binary)
      << std::string(text.size(), 'b');
  EXPECT_EQ(at(0), 'b');
  EXPECT_EQ(at(2 * page - 1), 'b');
  EXPECT_EQ(at(2 * page), 'a');
  EXPECT_EQ(at(2 * page + 7), 'x');
  EXPECT_EQ(file.bytes().back(), std::byte{'z'});
}

TEST_F(MappedFileTest, NothingIsResidentOfAFileThatWasCut) {
  const MappedFile file(path_);
  std::filesystem::resize_file(path_, 100);
  EXPECT_FALSE(file.MakeResident(file.bytes()));
}

// As the system's own call fails: what was there is gone, the copy is still where it was.
bool LeaveAHole(void* /*from*/, size_t bytes, void* to) {
  munmap(to, bytes);
  return false;
}

TEST_F(MappedFileTest, WhatCannotBeMovedStaysMapped) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::string text(3 * page + 100, 'a');
  text.back() = 'z';
  Write(text);
  const MappedFile file(path_);
  const auto at = [&](size_t i) { return static_cast<char>(file.bytes()[i]); };
  EXPECT_FALSE(file.MakeResident(file.bytes().subspan(page + 5, page), LeaveAHole));
  EXPECT_FALSE(file.MakeResident(file.bytes().last(7), LeaveAHole));
  EXPECT_FALSE(file.MakeResident(file.bytes().first(7), [](void*, size_t, void*) {
    return false;  // and nothing was touched
  }));
  EXPECT_TRUE(
      std::equal(text.begin(), text.end(), reinterpret_cast<const char*>(&file.bytes()[0])));
  std::fstream(path_, std::ios::in | std::ios::out | std::ios::binary)
      << std::string(text.size(), 'b');
  for (size_t i : {size_t{0}, page, 2 * page, 3 * page + 99}) EXPECT_EQ(at(i), 'b') << i;
  EXPECT_TRUE(file.MakeResident(file.bytes()));  // and the next attempt may do
}

using MappedFileDeathTest = MappedFileTest;

TEST_F(MappedFileDeathTest, WithoutAnyMappingIsAnError) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto fail = [&] {
    const MappedFile file(path_);
    try {
      file.MakeResident(file.bytes(), [](void* from, size_t bytes, void* to) {
        close_range(3, ~0u, 0);  // the file's, so that it cannot be mapped again
        return LeaveAHole(from, bytes, to);
      });
    } catch (const Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      _exit(error.kind() == ErrorKind::kResources ? 5 : 1);
    }
  };
  EXPECT_EXIT(fail(), testing::ExitedWithCode(5), "cannot be mapped again");
}

// Reads the last byte after the file was cut to nothing.
void ReadBehindTheEnd(const std::filesystem::path& path) {
  const MappedFile file(path);
  std::filesystem::resize_file(path, 0);
  volatile std::byte last = file.bytes().back();
  static_cast<void>(last);
}

TEST_F(MappedFileDeathTest, hostile_M10_CutWhileMapped) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(ReadBehindTheEnd(path_), testing::ExitedWithCode(3),
              "^gemma3n: model file changed on disk while in use: .*hostile_M10_CutWhileMapped\n$");
}

TEST_F(MappedFileDeathTest, hostile_M10_OtherBusErrorsGoTheirWay) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto not_ours = [](int status) { return !(WIFEXITED(status) && WEXITSTATUS(status) == 3); };
  EXPECT_EXIT(
      {
        const MappedFile file(path_);
        raise(SIGBUS);
      },
      not_ours, "");
}

TEST_F(MappedFileTest, hostile_M10_WrittenOrCutIsFound) {
  const MappedFile file(path_);
  EXPECT_EQ(MessageOf(file), "no error");
  std::filesystem::last_write_time(
      path_, std::filesystem::last_write_time(path_) + std::chrono::milliseconds(5));
  EXPECT_THAT(MessageOf(file), HasSubstr("changed on disk"));
  EXPECT_THAT(MessageOf(file), HasSubstr("written to"));
  std::filesystem::resize_file(path_, 10);
  EXPECT_THAT(MessageOf(file), HasSubstr("expected 65536 bytes, found 10"));
}

TEST_F(MappedFileTest, hostile_M10_AnotherFileInItsPlaceDoesNoHarm) {
  const MappedFile file(path_);
  std::filesystem::remove(path_);
  Write("b");
  EXPECT_EQ(MessageOf(file), "no error");
  EXPECT_EQ(file.bytes().back(), std::byte{'a'});
}

}  // namespace
}  // namespace gemma3n
