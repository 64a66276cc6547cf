// SPDX-License-Identifier: Apache-2.0
#include "engine/memory.h"

#include <gtest/gtest.h>

#include <fstream>

namespace gemma3n {
namespace {

class ControlGroups : public testing::Test {
 protected:
  ControlGroups() : mount_(std::filesystem::path(testing::TempDir()) / "gemma3n_memory_test") {
    std::filesystem::remove_all(mount_);
  }

  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((mount_ / name).parent_path());
    std::ofstream(mount_ / name) << text;
  }
  int64_t Free() { return FreeInControlGroups({mount_ / "groups", mount_}); }

  std::filesystem::path mount_;
};

TEST_F(ControlGroups, PageCacheCountsAsFree) {
  Write("groups", "0::/user/app\n");
  Write("user/app/memory.max", "1000000\n");
  Write("user/app/memory.current", "700000\n");
  Write("user/app/memory.stat", "anon 300000\nactive_file 150000\ninactive_file 250000\n");
  EXPECT_EQ(Free(), 700000);
}

TEST_F(ControlGroups, TheTightestGroupAboveDecides) {
  Write("groups", "0::/user/app\n");
  Write("user/app/memory.max", "max\n");
  Write("user/app/memory.current", "5\n");
  Write("user/memory.max", "1000\n");
  Write("user/memory.current", "400\n");
  EXPECT_EQ(Free(), 600);
}

TEST_F(ControlGroups, FirstVersionUnderThePathOfTheHost) {
  Write("groups", "9:name=systemd:/\n8:cpu:/docker/1\n7:memory:/docker/1\n");
  Write("memory/memory.limit_in_bytes", "5000\n");
  Write("memory/memory.usage_in_bytes", "2000\n");
  Write("memory/memory.stat", "active_file 1\ntotal_active_file 500\ntotal_inactive_file 300\n");
  EXPECT_EQ(Free(), 3800);
}

TEST_F(ControlGroups, WithoutALimitNothingIsKnown) {
  EXPECT_EQ(Free(), -1);
  Write("groups", "7:memory:/\n");
  Write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  Write("memory/memory.usage_in_bytes", "2000\n");
  EXPECT_EQ(Free(), -1);
}

TEST(Memory, SomethingIsFree) {
  EXPECT_GT(FreeMemory(), 1 << 20);
}

TEST(Memory, WeightsThatDoNotFitAreANote) {
  EXPECT_EQ(MemoryNote(100, 100), "");
  EXPECT_EQ(MemoryNote(100, -1), "");
  EXPECT_NE(MemoryNote(4'000'000'000, 3'000'000'000).find("reads 4.0 GB of weights, 3.0 GB"),
            std::string::npos);
}

TEST(Memory, BytesAsText) {
  EXPECT_EQ(BytesAsText(34'500'000), "34.5 MB");
  EXPECT_EQ(BytesAsText(7'900'000'000), "7.9 GB");
}

}  // namespace
}  // namespace gemma3n
