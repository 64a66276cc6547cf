// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <system_error>

namespace gemma3n {
namespace {

// About 20 microseconds: longer than the gap between two loops of a step, too short to heat a core.
constexpr int kSpins = 2000;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until `value` is no longer `old`.
template <class T>
void SpinThenWait(const std::atomic<T>& value, T old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    Pause();
  }
  value.wait(old, std::memory_order_acquire);
}

int AvailableProcessors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

ThreadPool::ThreadPool(int num_threads) {
  const int total = num_threads > 0 ? num_threads : AvailableProcessors();
  workers_.reserve(total - 1);
  for (int i = 1; i < total; ++i) {
    try {
      workers_.emplace_back([this] { WorkerLoop(); });
    } catch (const std::system_error&) {
      break;  // the system gives no more threads: fewer do the same work
    }
  }
}

ThreadPool::~ThreadPool() {
  stopping_.store(true, std::memory_order_release);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::TakePieces() {
  for (;;) {
    const size_t piece = next_piece_.fetch_add(1, std::memory_order_relaxed);
    if (piece >= pieces_) return;
    fn_(context_, piece);
  }
}

void ThreadPool::Run(size_t pieces, PieceFn fn, const void* context) {
  if (pieces <= 1 || workers_.empty()) {
    for (size_t piece = 0; piece < pieces; ++piece) fn(context, piece);
    return;
  }
  fn_ = fn;
  context_ = context;
  pieces_ = pieces;
  next_piece_.store(0, std::memory_order_relaxed);
  workers_busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  TakePieces();
  // Every worker must have left this loop before the next one may overwrite its description.
  for (int busy; (busy = workers_busy_.load(std::memory_order_acquire)) != 0;) {
    SpinThenWait(workers_busy_, busy);
  }
}

void ThreadPool::WorkerLoop() {
  uint32_t seen = 0;
  for (;;) {
    SpinThenWait(epoch_, seen);
    const uint32_t epoch = epoch_.load(std::memory_order_acquire);
    if (epoch == seen) continue;
    seen = epoch;
    if (stopping_.load(std::memory_order_acquire)) return;
    TakePieces();
    if (workers_busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) workers_busy_.notify_all();
  }
}

}  // namespace gemma3n
