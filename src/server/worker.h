// SPDX-License-Identifier: Apache-2.0
// The engine's side of the service: one thread that owns the sessions and answers several requests
// at once, as a batch. The other threads hand requests in and take texts out.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gemma3n/batch.h"
#include "gemma3n/engine.h"

namespace gemma3n::server {

struct Ask {
  std::vector<Turn> turns;
  GenerateOptions options = {};
  std::vector<int32_t> prompt = {};  // its ids, once it is laid out
};

// What happens to a request, in order: texts of its answers one after another, the end of each.
struct AnswerEvent {
  size_t choice = 0;  // which of its asks
  std::string text = "";
  std::optional<GenerateResult> result = std::nullopt;  // at the end of an answer
  std::exception_ptr error = nullptr;                   // instead of it; nothing comes after it
};

// A request under way, shared by who asked and who answers.
class Answering {
 public:
  // The next event; nullopt when none came in time.
  std::optional<AnswerEvent> Next(std::chrono::milliseconds patience);
  // Nobody waits for it any more: it ends within a step.
  void Cancel() { Stop(Ending::kCancelled); }
  double waited_ms() const { return waited_ms_; }  // for a session; valid after the first event

 private:
  friend class Worker;
  enum class Ending { kNone, kCancelled, kTimeUp };
  Answering(std::vector<Ask> asks, std::string owner, double seconds);
  void Push(AnswerEvent event);
  void Stop(Ending ending) {
    Ending none = Ending::kNone;
    ending_.compare_exchange_strong(none, ending);
  }
  bool GoesOn();  // stops itself when its time is up

  const std::vector<Ask> asks_;
  const std::string owner_;
  const std::chrono::steady_clock::time_point came_ = std::chrono::steady_clock::now();
  const std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::atomic<Ending> ending_ = Ending::kNone;
  size_t at_ = 0;  // the ask under way
  double waited_ms_ = 0;
  std::mutex mutex_;
  std::condition_variable came_event_;
  std::deque<AnswerEvent> events_;
};

struct WorkerOptions {
  int64_t context = 0;
  int sessions = 4;
  int waiting = 32;
  double answer_seconds = 0;  // 0: without end
};

struct WorkerCounts {
  size_t sessions = 0, active = 0, waiting = 0;
  uint64_t cancelled = 0;
  uint64_t answers = 0, prompt_tokens = 0, cached_tokens = 0, answer_tokens = 0;
  double prefill_seconds = 0, decode_seconds = 0, waiting_seconds = 0;
};

class Worker {
 public:
  // Makes all sessions. Throws what NewSession throws.
  Worker(std::shared_ptr<Engine> engine, const WorkerOptions& options);
  // Requests under way end at once.
  ~Worker();

  // Finds the ids of the prompt, in the caller's thread: a long text takes its time. Throws Refusal
  // (kContextLength, kInvalidAudio, kInvalidValue) for what no session could answer.
  void LayOut(Ask& ask) const;

  // The asks of one request, laid out here where they are not yet, are answered one after another
  // in one session, which reads what they have in common once. What one owner has asked is never
  // reused for another, so that not even time tells of it. Letting go of what is returned cancels
  // the request. Throws Refusal (kBusy, kDraining) and what LayOut throws.
  std::shared_ptr<Answering> Submit(std::vector<Ask> asks, const std::string& owner);

  void StopTaking();    // new requests are refused from now on
  void EndAll();        // requests under way end with what they have, as at their most tokens
  bool IsIdle() const;  // nothing under way, nothing waiting
  WorkerCounts counts();
  int64_t context() const { return context_; }  // of each session

 private:
  struct Slot {
    std::unique_ptr<Session> session;
    std::string owner;
    std::vector<int32_t> ids;              // of the conversation that it holds
    uint64_t last_used = 0;                // 0: never
    std::shared_ptr<Answering> answering;  // null: free
  };
  void Run();
  void FailAll(const std::exception_ptr& error);
  void StopAll(Answering::Ending ending);                   // under the mutex
  void Leave(const std::shared_ptr<Answering>& answering);  // it is under way no more; the same
  void DropLeft();  // of those that wait, whose client has gone; the same
  std::vector<std::shared_ptr<Answering>> TakeWaiting();
  void Begin(const std::shared_ptr<Answering>& answering);
  void AskNext(Slot& slot);
  void Ended(Slot& slot, GenerateResult result, std::exception_ptr error);
  void Count(const GenerateResult& result);
  Slot& Choose(const std::string& owner, const std::vector<int32_t>& prompt);

  const std::shared_ptr<Engine> engine_;
  const WorkerOptions options_;
  int64_t context_ = 0;
  std::vector<Slot> slots_;  // of the thread
  std::unique_ptr<Batch> batch_ = Batch::New();
  uint64_t uses_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::deque<std::shared_ptr<Answering>> waiting_;
  std::vector<std::shared_ptr<Answering>> under_way_;  // each has a session, or gets one now
  bool stopping_ = false, taking_ = true;
  WorkerCounts counts_;
  std::thread thread_;
};

}  // namespace gemma3n::server
