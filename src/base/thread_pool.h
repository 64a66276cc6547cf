// SPDX-License-Identifier: Apache-2.0
// A fixed set of threads that share out the pieces of one loop at a time.
//
// The caller works along. Pieces are handed out by an atomic counter, so which thread runs a piece
// is not fixed; callers cut their work by size, never by thread count, and then the bits of a
// result do not depend on how many threads there are. Workers spin for a short while between loops,
// since the loops of one decode step follow each other within microseconds, and then sleep: an idle
// pool uses no processor time. Where there are more threads than processors they sleep at once. The
// caller waits only for threads that have begun a piece, not for those that the system has not yet
// woken: a busy machine or a spent quota costs no more than the threads it takes away.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

namespace gemma3n {

class ThreadPool {
 public:
  // num_threads counts the caller; 0 means as many as can run at once (processors.h).
  explicit ThreadPool(int num_threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls fn(piece) once for every piece in [0, pieces), and returns when all are done. `fn` must
  // not throw. Not to be called from two threads at once, nor from inside `fn`.
  template <class Fn>
  void ParallelFor(size_t pieces, const Fn& fn) {
    Run(pieces, &CallPiece<Fn>, &fn);
  }

 private:
  using PieceFn = void (*)(const void* context, size_t piece);
  template <class Fn>
  static void CallPiece(const void* context, size_t piece) {
    (*static_cast<const Fn*>(context))(piece);
  }

  void Run(size_t pieces, PieceFn fn, const void* context);
  void WorkerLoop();
  void TakePieces();
  bool Enter();
  void Leave();

  int spins_ = 0;  // before a thread sleeps
  std::vector<std::thread> workers_;
  // The loop under way; written by the caller while the gate is closed and nobody is inside.
  PieceFn fn_ = nullptr;
  const void* context_ = nullptr;
  size_t pieces_ = 0;
  std::atomic<size_t> next_piece_{0};
  // How many workers are inside the loop, and whether more may enter (kOpen).
  static constexpr uint32_t kOpen = uint32_t{1} << 31;
  std::atomic<uint32_t> gate_{0};
  std::atomic<uint32_t> epoch_{0};  // counts the loops: what sleeping workers wait for
  std::atomic<bool> stopping_{false};
};

}  // namespace gemma3n
