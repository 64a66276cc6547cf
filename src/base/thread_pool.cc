// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <system_error>

#include "base/processors.h"

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
void SpinThenWait(const std::atomic<T>& value, T old, int spins) {
  for (int i = 0; i < spins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    Pause();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(int num_threads) {
  const int usable = UsableProcessors();
  const int total = num_threads > 0 ? num_threads : usable;
  // Where threads share a processor, whoever spins keeps another from the work that it waits for.
  spins_ = total <= usable ? kSpins : 0;
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
  gate_.store(kOpen, std::memory_order_release);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  TakePieces();
  gate_.fetch_and(~kOpen, std::memory_order_acq_rel);
  // Whoever is inside must have left before the next loop may overwrite this one's description.
  for (uint32_t inside; (inside = gate_.load(std::memory_order_acquire)) != 0;) {
    SpinThenWait(gate_, inside, spins_);
  }
}

// False when the loop has ended already.
bool ThreadPool::Enter() {
  uint32_t gate = gate_.load(std::memory_order_relaxed);
  while (gate & kOpen) {
    if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

void ThreadPool::Leave() {
  // The last one out wakes the caller, who waits only after closing the gate.
  if (gate_.fetch_sub(1, std::memory_order_acq_rel) == 1) gate_.notify_all();
}

void ThreadPool::WorkerLoop() {
  uint32_t seen = 0;
  for (;;) {
    SpinThenWait(epoch_, seen, spins_);
    const uint32_t epoch = epoch_.load(std::memory_order_acquire);
    if (epoch == seen) continue;
    seen = epoch;
    if (stopping_.load(std::memory_order_acquire)) return;
    if (!Enter()) continue;
    TakePieces();
    Leave();
  }
}

}  // namespace gemma3n
