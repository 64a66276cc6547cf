// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace gemma3n {
namespace {

TEST(ThreadPool, RunsEveryPieceOnce) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.num_threads(), threads);
    for (size_t pieces : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> calls(pieces);
      pool.ParallelFor(pieces, [&](size_t piece) { calls[piece].fetch_add(1); });
      for (const auto& count : calls) EXPECT_EQ(count.load(), 1);
    }
  }
}

TEST(ThreadPool, ManyShortLoopsFollowEachOther) {
  ThreadPool pool(3);
  std::vector<int> sums(8);
  for (int round = 0; round < 5000; ++round) {
    pool.ParallelFor(sums.size(), [&](size_t piece) { sums[piece] += static_cast<int>(piece); });
  }
  for (size_t i = 0; i < sums.size(); ++i) EXPECT_EQ(sums[i], 5000 * static_cast<int>(i));
}

}  // namespace
}  // namespace gemma3n
