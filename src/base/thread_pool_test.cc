// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>
#include <thread>
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

// A thread that wakes late must not touch a loop whose caller has gone on.
TEST(ThreadPool, NothingRunsAfterItsLoop) {
  ThreadPool pool(4);
  for (int round = 0; round < 2000; ++round) {
    const size_t pieces = 2 + static_cast<size_t>(round) % 7;
    auto values = std::make_unique<std::vector<int>>(pieces);
    std::atomic<bool> over{false};
    std::atomic<int> late{0};
    pool.ParallelFor(pieces, [&, v = values.get()](size_t piece) {
      late.fetch_add(over.load());
      v->at(piece) += round;
    });
    over.store(true);
    EXPECT_EQ(late.load(), 0);
    EXPECT_EQ(*values, std::vector<int>(pieces, round));
    values.reset();
  }
}

// Seconds of processor time that this process has used.
double ProcessorSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

TEST(ThreadPool, IdleThreadsSleep) {
  for (int threads : {2, 8}) {
    ThreadPool pool(threads);
    std::atomic<int> calls{0};
    pool.ParallelFor(100, [&](size_t) { calls.fetch_add(1); });
    EXPECT_EQ(calls.load(), 100);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const double before = ProcessorSeconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_LT(ProcessorSeconds() - before, 0.05);
  }
}

}  // namespace
}  // namespace gemma3n
