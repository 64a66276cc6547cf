// SPDX-License-Identifier: Apache-2.0
// The engine's side of the service: one thread that owns the sessions and answers several requests
// at once, as a batch. The other threads hand requests in and take texts out.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gemma3n/batch.h"
#include "gemma3n/engine.h"
#include "gemma3n/prefix_cache.h"

namespace gemma3n::server {

struct Ask {
  std::vector<Turn> turns;
  GenerateOptions options = {};
  std::vector<int32_t> prompt = {};  // its ids, once it is laid out
};

// What happens to a request: of each of its asks texts in order, then its end. Those of several
// asks may come in between each other.
struct AnswerEvent {
  size_t choice = 0;  // which of its asks
  std::string text = "";
  std::optional<GenerateResult> result = std::nullopt;  // at the end of an answer
  std::exception_ptr error = nullptr;                   // instead of it; nothing comes after it
};

// Who asks: whose what is computed stays, and among whom sessions are shared out.
struct Asker {
  std::string owner;    // of a key; empty: no keys are asked for
  std::string address;  // of clients without a key

  const std::string& client() const { return owner.empty() ? address : owner; }
};

// Who waits for the answers: somebody, or a long work such as a recording, which takes the sessions
// that are left. One of several is always kept from it; where others wait as well, it gets every
// fourth that becomes free.
enum class Patience { kSomebodyWaits, kLongWork };

// A request under way, shared by who asked and who answers.
class Answering {
 public:
  // The next event; nullopt when none came in time.
  std::optional<AnswerEvent> Next(std::chrono::milliseconds patience);
  // Nobody waits for it any more: it ends within a step, also while it waits for a session.
  void Cancel() { Stop(Ending::kCancelled); }
  double waited_ms() const { return waited_ms_; }  // for a session; valid after the first event

 private:
  friend class Worker;
  enum class Ending { kNone, kCancelled, kTimeUp };
  Answering(std::vector<Ask> asks, const Asker& asker, double seconds, Patience patience);
  void Push(AnswerEvent event);
  void Stop(Ending ending) {
    Ending none = Ending::kNone;
    ending_.compare_exchange_strong(none, ending);
  }
  bool GoesOn();  // stops itself when its time is up
  bool HasNext() const { return next_ < asks_.size(); }
  bool IsLongWork() const { return patience_ == Patience::kLongWork; }

  const std::vector<Ask> asks_;
  const Asker asker_;
  const Patience patience_;
  const std::chrono::steady_clock::time_point came_ = std::chrono::steady_clock::now();
  const std::optional<std::chrono::steady_clock::time_point> deadline_;
  std::atomic<Ending> ending_ = Ending::kNone;
  size_t next_ = 0;    // the first ask that has no session yet; of the worker, under its mutex
  size_t active_ = 0;  // how many have one; the same
  double waited_ms_ = 0;
  std::mutex mutex_;
  std::condition_variable came_event_;
  std::deque<AnswerEvent> events_;
  bool failed_ = false;  // nothing comes any more
};

struct WorkerOptions {
  int64_t context = 0;
  int sessions = 4;
  int waiting = 32;
  bool several_clients = false;  // can be told apart: then some places are kept for further ones
  double answer_seconds = 0;     // 0: without end
  PrefixCacheOptions cache = {};
};

struct WorkerCounts {
  size_t sessions = 0, active = 0, waiting = 0;
  uint64_t cancelled = 0;
  uint64_t answers = 0, prompt_tokens = 0, cached_tokens = 0, answer_tokens = 0;
  double prefill_seconds = 0, decode_seconds = 0, waiting_seconds = 0;
  PrefixCacheCounts cache = {};
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

  // Answers the asks of one request, which are laid out here where they are not yet. Each needs a
  // session: a free one goes to the client that has fewest, of those to the one that has waited
  // longest for its turn, and of a client's requests to the one that came first; further sessions
  // are given to the other asks of a request while nobody else waits. What one owner has asked is
  // never reused for another, so that not even time tells of it. Letting go of what is returned
  // cancels the request. Throws Refusal (kBusy, kDraining) and what LayOut throws. Long works are
  // told that the service is draining by CheckTaking: what they submit is taken until EndAll,
  // however many wait, and has no time limit.
  std::shared_ptr<Answering> Submit(std::vector<Ask> asks, const Asker& asker,
                                    Patience patience = Patience::kSomebodyWaits);
  void CheckTaking() const;  // throws Refusal (kDraining)

  // Gives back what free sessions and the cache hold; later requests compute it anew.
  void Release();

  void StopTaking();    // new requests are refused from now on
  void EndAll();        // requests under way end with what they have, as at their most tokens
  bool IsIdle() const;  // nothing under way, nothing waiting
  WorkerCounts counts();
  int64_t context() const { return context_; }  // of each session
  size_t sessions() const { return slots_.size(); }

 private:
  struct Slot {
    std::unique_ptr<Session> session;  // null: released
    std::string owner;
    std::vector<int32_t> ids;              // of the conversation that it holds
    uint64_t last_used = 0;                // 0: never
    std::shared_ptr<Answering> answering;  // null: free
    size_t at = 0;                         // which of its asks
  };
  // A client that has requests here.
  struct Client {
    size_t requests = 0, sessions = 0;
    uint64_t since = 0;  // its last turn, or when it came
  };
  using Requests = std::list<std::shared_ptr<Answering>>;

  void Run();
  void FailAll(const std::exception_ptr& error);
  void ReleaseFree();
  // The next four are called under the mutex.
  void StopAll(Answering::Ending ending);
  Requests::iterator Remove(Requests::iterator request);
  void DropLeft();  // of those that wait, the ones that were cancelled
  size_t CountWaiting(bool with_long_works) const;
  bool HasLongWorkSession() const;  // whether a long work may have a further session
  bool HasWork() const;
  // The request whose next ask gets the next session; null: none wants one.
  std::shared_ptr<Answering> NextInTurn();
  struct Seat {
    std::shared_ptr<Answering> answering;
    size_t at;
  };
  std::vector<Seat> TakeTurns();
  void Begin(const Seat& seat);
  void AskIn(Slot& slot);
  void Ended(Slot& slot, GenerateResult result, std::exception_ptr error);
  // An ask has no session any more.
  void GiveUp(const std::shared_ptr<Answering>& answering);
  void Count(const GenerateResult& result);
  Slot& Choose(const std::string& owner, const std::vector<int32_t>& prompt);

  const std::shared_ptr<Engine> engine_;
  const WorkerOptions options_;
  const std::shared_ptr<PrefixCache> cache_;  // of the thread
  int64_t context_ = 0;
  std::vector<Slot> slots_;  // of the thread
  std::unique_ptr<Batch> batch_ = Batch::New();
  uint64_t uses_ = 1;

  mutable std::mutex mutex_;
  std::condition_variable came_;
  Requests requests_;  // in the order they came, until their asks have ended
  std::map<std::string, Client> clients_;
  size_t free_;                     // sessions
  uint64_t turns_ = 0;              // that were given, and clients that came
  size_t long_sessions_ = 0;        // of long works
  int taken_before_long_work_ = 0;  // turns of others, while one waits
  bool stopping_ = false, taking_ = true, ended_ = false, releasing_ = false;
  WorkerCounts counts_;
  std::thread thread_;
};

}  // namespace gemma3n::server
