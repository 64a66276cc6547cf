// SPDX-License-Identifier: Apache-2.0
#include "server/worker.h"

#include <algorithm>
#include <utility>

#include "gemma3n/error.h"
#include "server/refusal.h"

namespace gemma3n::server {
namespace {

using Time = std::chrono::steady_clock;

size_t CountCommon(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                             a.begin());
}

double MillisecondsSince(Time::time_point begin) {
  return std::chrono::duration<double, std::milli>(Time::now() - begin).count();
}

// The end of an answer that does not begin, since its request has ended.
AnswerEvent Unanswered(size_t choice, FinishReason reason) {
  return {.choice = choice, .result = GenerateResult{.finish_reason = reason}};
}

}  // namespace

Answering::Answering(std::vector<Ask> asks, const Asker& asker, double seconds, Patience patience)
    : asks_(std::move(asks)),
      asker_(asker),
      patience_(patience),
      deadline_(seconds > 0 ? std::optional(came_ + std::chrono::duration_cast<Time::duration>(
                                                        std::chrono::duration<double>(seconds)))
                            : std::nullopt) {}

std::optional<AnswerEvent> Answering::Next(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  if (!came_event_.wait_for(lock, patience, [this] { return !events_.empty(); })) {
    return std::nullopt;
  }
  AnswerEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void Answering::Push(AnswerEvent event) {
  const std::lock_guard lock(mutex_);
  if (failed_) return;
  failed_ = event.error != nullptr;
  events_.push_back(std::move(event));
  came_event_.notify_one();
}

bool Answering::GoesOn() {
  if (deadline_ && Time::now() >= *deadline_) Stop(Ending::kTimeUp);
  return ending_ == Ending::kNone;
}

Worker::Worker(std::shared_ptr<Engine> engine, const WorkerOptions& options)
    : engine_(std::move(engine)),
      options_(options),
      cache_(PrefixCache::New(options.cache)),
      slots_(static_cast<size_t>(options.sessions)),
      free_(slots_.size()) {
  for (Slot& slot : slots_) slot.session = engine_->NewSession(options_.context);
  counts_.sessions = slots_.size();
  context_ = slots_[0].session->context();
  thread_ = std::thread([this] { Run(); });
}

Worker::~Worker() {
  StopTaking();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    StopAll(Answering::Ending::kCancelled);
  }
  came_.notify_one();
  thread_.join();
}

void Worker::LayOut(Ask& ask) const {
  try {
    ask.prompt = engine_->PromptIds(ask.turns, ask.options);
  } catch (const Error& error) {
    // Pictures were read before; of sound it is now known whether the model hears so much at once.
    if (error.kind() == ErrorKind::kMedia) throw Refusal(Reason::kInvalidAudio, error.what());
    throw AsRefusal(std::current_exception());
  }
  if (static_cast<int64_t>(ask.prompt.size()) <= context_) return;
  throw Refusal(Reason::kContextLength, "the prompt has " + std::to_string(ask.prompt.size()) +
                                            " tokens, which is more than the context of " +
                                            std::to_string(context_));
}

std::shared_ptr<Answering> Worker::Submit(std::vector<Ask> asks, const Asker& asker,
                                          Patience patience) {
  for (Ask& ask : asks) {
    if (ask.prompt.empty()) LayOut(ask);
  }
  const bool is_long = patience == Patience::kLongWork;
  const std::shared_ptr<Answering> answering(
      new Answering(std::move(asks), asker, is_long ? 0 : options_.answer_seconds, patience));
  {
    const std::lock_guard lock(mutex_);
    if (ended_ || (!is_long && !taking_)) {
      throw Refusal(Reason::kDraining, "the server is shutting down");
    }
    DropLeft();
    const size_t waiting = CountWaiting(false), places = static_cast<size_t>(options_.waiting);
    // Some places are left for those who have nothing here yet, where there can be such.
    const bool leaves_some = options_.several_clients && clients_.contains(asker.client());
    if (!is_long && waiting >= free_ &&
        waiting - free_ >= places - (leaves_some ? places / 4 : 0)) {
      throw Refusal(Reason::kBusy,
                    std::to_string(waiting) + " requests are waiting already; try again later");
    }
    requests_.push_back(answering);
    Client& client = clients_[asker.client()];
    if (client.requests++ == 0) client.since = ++turns_;
  }
  came_.notify_one();
  return {answering.get(), [answering](Answering* left) { left->Cancel(); }};
}

void Worker::StopTaking() {
  const std::lock_guard lock(mutex_);
  taking_ = false;
}

void Worker::CheckTaking() const {
  const std::lock_guard lock(mutex_);
  if (!taking_) throw Refusal(Reason::kDraining, "the server is shutting down");
}

void Worker::EndAll() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  StopAll(Answering::Ending::kTimeUp);
}

void Worker::Release() {
  {
    const std::lock_guard lock(mutex_);
    releasing_ = true;
  }
  came_.notify_one();
}

bool Worker::IsIdle() const {
  const std::lock_guard lock(mutex_);
  return requests_.empty();
}

WorkerCounts Worker::counts() {
  const std::lock_guard lock(mutex_);
  DropLeft();
  WorkerCounts counts = counts_;
  counts.waiting = CountWaiting(true);
  counts.active = requests_.size() - counts.waiting;
  return counts;
}

void Worker::StopAll(Answering::Ending ending) {
  for (const auto& answering : requests_) answering->Stop(ending);
}

Worker::Requests::iterator Worker::Remove(Requests::iterator request) {
  counts_.cancelled += (*request)->ending_ == Answering::Ending::kCancelled;
  const auto client = clients_.find((*request)->asker_.client());
  if (--client->second.requests == 0) clients_.erase(client);
  return requests_.erase(request);
}

void Worker::DropLeft() {
  for (auto at = requests_.begin(); at != requests_.end();) {
    const bool left = (*at)->next_ == 0 && (*at)->ending_ == Answering::Ending::kCancelled;
    // Who asked may still listen, where it was somebody else that ended it.
    for (size_t i = 0; left && i < (*at)->asks_.size(); ++i) {
      (*at)->Push(Unanswered(i, FinishReason::kCancelled));
    }
    at = left ? Remove(at) : std::next(at);
  }
}

size_t Worker::CountWaiting(bool with_long_works) const {
  return static_cast<size_t>(std::count_if(
      requests_.begin(), requests_.end(),
      [&](const auto& one) { return one->next_ == 0 && (with_long_works || !one->IsLongWork()); }));
}

bool Worker::HasLongWorkSession() const {
  return long_sessions_ < std::max<size_t>(1, slots_.size() - 1);
}

bool Worker::HasWork() const {
  return batch_->size() > 0 || std::any_of(requests_.begin(), requests_.end(),
                                           [](const auto& one) { return one->HasNext(); });
}

void Worker::Run() {
  while (true) {
    std::vector<Seat> taken;
    bool release = false;
    {
      std::unique_lock lock(mutex_);
      came_.wait(lock, [this] { return stopping_ || releasing_ || HasWork(); });
      if (stopping_ && !HasWork()) return;
      release = std::exchange(releasing_, false);
      taken = TakeTurns();
    }
    if (release) ReleaseFree();
    for (const Seat& seat : taken) Begin(seat);
    try {
      batch_->Advance();
    } catch (...) {  // what no single request is to blame for: memory, or the model's files
      FailAll(std::current_exception());
    }
  }
}

void Worker::FailAll(const std::exception_ptr& error) {
  batch_ = Batch::New();
  for (Slot& slot : slots_) {
    if (slot.answering != nullptr) Ended(slot, {}, error);
  }
}

void Worker::ReleaseFree() {
  for (Slot& slot : slots_) {
    if (slot.answering != nullptr) continue;
    slot.session = nullptr;
    slot.ids.clear();
  }
  cache_->Clear();
}

std::shared_ptr<Answering> Worker::NextInTurn() {
  constexpr int kTurns = 3;
  struct Claim {
    int rank;      // long works come last, or first when it is their turn
    bool further;  // it has a session already
    size_t sessions;
    uint64_t since;
    auto operator<=>(const Claim&) const = default;
  };
  std::shared_ptr<Answering> next;
  Claim best{};
  for (const auto& answering : requests_) {  // in the order they came
    if (!answering->HasNext()) continue;
    const bool is_long = answering->IsLongWork();
    if (is_long && !HasLongWorkSession()) continue;
    const int rank = is_long ? (taken_before_long_work_ >= kTurns ? 0 : 2) : 1;
    const Client& client = clients_.at(answering->asker_.client());
    const Claim claim{rank, answering->active_ > 0, client.sessions, client.since};
    if (next != nullptr && !(claim < best)) continue;
    next = answering;
    best = claim;
  }
  return next;
}

// As many as there are free sessions.
std::vector<Worker::Seat> Worker::TakeTurns() {
  std::vector<Seat> taken;
  DropLeft();
  while (free_ > 0) {
    const std::shared_ptr<Answering> answering = NextInTurn();
    if (answering == nullptr) break;
    if (answering->next_ == 0) {
      answering->waited_ms_ = MillisecondsSince(answering->came_);
      counts_.waiting_seconds += answering->waited_ms_ / 1000;
    }
    if (answering->IsLongWork()) {
      ++long_sessions_;
      taken_before_long_work_ = 0;
    } else if (HasLongWorkSession() &&
               std::any_of(requests_.begin(), requests_.end(),
                           [](const auto& one) { return one->IsLongWork() && one->HasNext(); })) {
      ++taken_before_long_work_;
    }
    taken.push_back({answering, answering->next_++});
    ++answering->active_;
    --free_;
    Client& client = clients_.at(answering->asker_.client());
    ++client.sessions;
    client.since = ++turns_;
  }
  return taken;
}

void Worker::Begin(const Seat& seat) {
  const std::shared_ptr<Answering>& answering = seat.answering;
  Slot* slot = nullptr;
  AnswerEvent unanswered;
  try {
    if (answering->GoesOn()) {
      slot = &Choose(answering->asker_.owner, answering->asks_[seat.at].prompt);
      if (slot->session == nullptr) slot->session = engine_->NewSession(options_.context);
      slot->session->Share(cache_, answering->asker_.owner);
    } else if (answering->ending_ == Answering::Ending::kCancelled) {
      unanswered = Unanswered(seat.at, FinishReason::kCancelled);
    } else if (seat.at == 0) {
      throw Refusal(Reason::kBusy, "the request ended before a session was free");
    } else {
      unanswered = Unanswered(seat.at, FinishReason::kLength);
    }
  } catch (...) {
    unanswered = {.choice = seat.at, .error = std::current_exception()};
    answering->Stop(Answering::Ending::kTimeUp);
    slot = nullptr;
  }
  if (slot == nullptr) {
    GiveUp(answering);
    return answering->Push(std::move(unanswered));
  }
  // Of a long work's pieces none is gone on with: the session is the next one to make room.
  slot->last_used = answering->IsLongWork() ? 1 : ++uses_;
  slot->owner = answering->asker_.owner;
  slot->answering = answering;
  slot->at = seat.at;
  AskIn(*slot);
}

// Another conversation of the same owner goes on where most of it still stands; else what was used
// longest ago makes room: the cache has what it held.
Worker::Slot& Worker::Choose(const std::string& owner, const std::vector<int32_t>& prompt) {
  Slot* oldest = nullptr;
  Slot* nearest = nullptr;
  size_t most = 0;
  for (Slot& slot : slots_) {
    if (slot.answering != nullptr) continue;
    if (oldest == nullptr || slot.last_used < oldest->last_used) oldest = &slot;
    if (slot.owner != owner) continue;
    const size_t common = CountCommon(slot.ids, prompt);
    if (common > most && 2 * common >= slot.ids.size()) {
      most = common;
      nearest = &slot;
    }
  }
  return nearest != nullptr ? *nearest : *oldest;
}

void Worker::AskIn(Slot& slot) {
  const std::shared_ptr<Answering> answering = slot.answering;
  const Ask& ask = answering->asks_[slot.at];
  BatchRequest request{
      .turns = ask.turns, .options = ask.options, .client = answering->asker_.client()};
  request.on_text = [answering, choice = slot.at](const std::string& text) {
    if (!text.empty()) answering->Push({.choice = choice, .text = text});
    return answering->GoesOn();
  };
  request.on_progress = [answering](const Progress&) { return answering->GoesOn(); };
  request.on_done = [this, &slot](GenerateResult result, std::exception_ptr error) {
    Ended(slot, std::move(result), error);
  };
  try {
    batch_->Add(*slot.session, std::move(request));
  } catch (...) {
    Ended(slot, {}, std::current_exception());
  }
}

void Worker::Ended(Slot& slot, GenerateResult result, std::exception_ptr error) {
  const std::shared_ptr<Answering> answering = std::move(slot.answering);
  slot.answering = nullptr;
  const bool cut = result.finish_reason == FinishReason::kCancelled;
  if (cut && answering->ending_ == Answering::Ending::kTimeUp) {
    result.finish_reason = FinishReason::kLength;
  }
  slot.ids = result.prompt_token_ids;
  slot.ids.insert(slot.ids.end(), result.token_ids.begin(), result.token_ids.end());
  if (error != nullptr) answering->Stop(Answering::Ending::kTimeUp);  // the others, too
  {
    const std::lock_guard lock(mutex_);
    Count(result);
  }
  GiveUp(answering);
  if (error != nullptr) {
    answering->Push({.choice = slot.at, .error = error});
  } else {
    answering->Push({.choice = slot.at, .result = std::move(result)});
  }
}

void Worker::GiveUp(const std::shared_ptr<Answering>& answering) {
  const std::lock_guard lock(mutex_);
  ++free_;
  long_sessions_ -= answering->IsLongWork();
  --answering->active_;
  --clients_.at(answering->asker_.client()).sessions;
  if (answering->active_ > 0 || answering->HasNext()) return;
  Remove(std::find(requests_.begin(), requests_.end(), answering));
}

void Worker::Count(const GenerateResult& result) {
  const Timings& times = result.timings;
  ++counts_.answers;
  counts_.prompt_tokens += result.prompt_token_ids.size();
  counts_.cached_tokens += static_cast<uint64_t>(times.cached_tokens);
  counts_.answer_tokens += result.token_ids.size();
  counts_.prefill_seconds += (times.prefill_ms + times.image_ms + times.audio_ms) / 1000;
  counts_.decode_seconds += times.decode_ms / 1000;
  counts_.cache = cache_->counts();
}

}  // namespace gemma3n::server
