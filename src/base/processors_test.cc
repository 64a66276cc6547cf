// SPDX-License-Identifier: Apache-2.0
#include "base/processors.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/thread_pool.h"

namespace gemma3n {
namespace {

class Processors : public testing::Test {
 protected:
  Processors() : mount_(std::filesystem::path(testing::TempDir()) / "gemma3n_processors_test") {
    std::filesystem::remove_all(mount_);
  }
  ~Processors() override { std::filesystem::remove_all(mount_); }

  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((mount_ / name).parent_path());
    std::ofstream(mount_ / name) << text;
  }
  int Quota() { return ProcessorQuota({mount_ / "groups", mount_}); }

  std::filesystem::path mount_;
};

TEST_F(Processors, QuotasAreRoundedUp) {
  Write("groups", "0::/app\n");
  for (const auto& [text, processors] :
       std::vector<std::pair<std::string, int>>{{"200000 100000\n", 2},
                                                {"200001 100000\n", 3},
                                                {"1000 100000\n", 1},
                                                {"25000 10000\n", 3},
                                                {"max 100000\n", 0},
                                                {"", 0},
                                                {"0 0\n", 0}}) {
    Write("app/cpu.max", text);
    EXPECT_EQ(Quota(), processors) << text;
  }
}

TEST_F(Processors, TheTightestGroupAboveDecides) {
  Write("groups", "0::/user/app\n");
  Write("user/app/cpu.max", "400000 100000\n");
  Write("user/cpu.max", "150000 100000\n");
  EXPECT_EQ(Quota(), 2);
  Write("user/app/cpu.max", "max 100000\n");
  EXPECT_EQ(Quota(), 2);
}

TEST_F(Processors, FirstVersionSharesItsDirectory) {
  Write("groups", "9:name=systemd:/\n4:cpuset:/docker/1\n3:cpu,cpuacct:/docker/1\n0::/\n");
  Write("cpu/docker/1/cpu.cfs_quota_us", "-1\n");
  Write("cpu/docker/1/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Quota(), 0);
  Write("cpu/docker/1/cpu.cfs_quota_us", "50000\n");
  EXPECT_EQ(Quota(), 1);
}

// Inside a container the path of version 1 is the host's; only the top is there.
TEST_F(Processors, FirstVersionUnderThePathOfTheHost) {
  Write("groups", "3:cpu:/docker/1\n");
  Write("cpu/cpu.cfs_quota_us", "300000\n");
  Write("cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Quota(), 3);
}

TEST_F(Processors, WithoutGroupsThereIsNoQuota) {
  EXPECT_EQ(Quota(), 0);
  Write("groups", "nonsense\n0::\n");
  EXPECT_EQ(Quota(), 0);
}

TEST_F(Processors, UsableAreTheFewer) {
  Write("groups", "0::/\n");
  Write("cpu.max", "50000 100000\n");
  EXPECT_EQ(UsableProcessors({mount_ / "groups", mount_}), 1);
  Write("cpu.max", "max 100000\n");
  EXPECT_EQ(UsableProcessors({mount_ / "groups", mount_}), AllowedProcessors());
}

// In a thread of its own, whose mask ends with it.
TEST_F(Processors, TheAffinityMaskCounts) {
  int allowed = 0, usable = 0, threads = 0, sum = 0;
  std::thread([&] {
    cpu_set_t all, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
    CPU_ZERO(&one);
    int processor = 0;
    while (!CPU_ISSET(processor, &all)) ++processor;
    CPU_SET(processor, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    allowed = AllowedProcessors();
    usable = UsableProcessors();
    threads = ThreadPool().num_threads();
    // More threads than processors still do all the work.
    ThreadPool pool(3);
    std::vector<int> pieces(1000);
    for (int round = 1; round <= 100; ++round) {
      pool.ParallelFor(pieces.size(), [&](size_t i) { pieces[i] = round; });
      sum += *std::min_element(pieces.begin(), pieces.end());
    }
  }).join();
  EXPECT_EQ(allowed, 1);
  EXPECT_EQ(usable, 1);
  EXPECT_EQ(threads, 1);
  EXPECT_EQ(sum, 5050);
}

}  // namespace
}  // namespace gemma3n
