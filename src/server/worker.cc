// SPDX-License-Identifier: Apache-2.0
#include "server/worker.h"

#include <algorithm>

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

}  // namespace

Answering::Answering(std::vector<Ask> asks, std::string owner, double seconds)
    : asks_(std::move(asks)),
      owner_(std::move(owner)),
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
  events_.push_back(std::move(event));
  came_event_.notify_one();
}

bool Answering::GoesOn() {
  if (deadline_ && Time::now() >= *deadline_) Stop(Ending::kTimeUp);
  return ending_ == Ending::kNone;
}

Worker::Worker(std::shared_ptr<Engine> engine, const WorkerOptions& options)
    : engine_(std::move(engine)), options_(options), slots_(static_cast<size_t>(options.sessions)) {
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
  if (static_cast<int64_t>(ask.prompt.size()) < context_) return;
  throw Refusal(Reason::kContextLength, "the prompt has " + std::to_string(ask.prompt.size()) +
                                            " tokens, which leaves no room for an answer in a "
                                            "context of " +
                                            std::to_string(context_));
}

std::shared_ptr<Answering> Worker::Submit(std::vector<Ask> asks, const std::string& owner) {
  for (Ask& ask : asks) {
    if (ask.prompt.empty()) LayOut(ask);
  }
  const std::shared_ptr<Answering> answering(
      new Answering(std::move(asks), owner, options_.answer_seconds));
  {
    const std::lock_guard lock(mutex_);
    if (!taking_) throw Refusal(Reason::kDraining, "the server is shutting down");
    DropLeft();
    const bool free = under_way_.size() + waiting_.size() < slots_.size();
    if (!free && waiting_.size() >= static_cast<size_t>(options_.waiting)) {
      throw Refusal(Reason::kBusy, std::to_string(waiting_.size()) +
                                       " requests are waiting already; try again later");
    }
    waiting_.push_back(answering);
  }
  came_.notify_one();
  return {answering.get(), [answering](Answering* left) { left->Cancel(); }};
}

void Worker::StopTaking() {
  const std::lock_guard lock(mutex_);
  taking_ = false;
}

void Worker::EndAll() {
  const std::lock_guard lock(mutex_);
  StopAll(Answering::Ending::kTimeUp);
}

void Worker::StopAll(Answering::Ending ending) {
  for (const auto& answering : waiting_) answering->Stop(ending);
  for (const auto& answering : under_way_) answering->Stop(ending);
}

void Worker::Leave(const std::shared_ptr<Answering>& answering) {
  std::erase(under_way_, answering);
  counts_.cancelled += answering->ending_ == Answering::Ending::kCancelled;
}

bool Worker::IsIdle() const {
  const std::lock_guard lock(mutex_);
  return under_way_.empty() && waiting_.empty();
}

void Worker::DropLeft() {
  std::erase_if(waiting_, [this](const auto& answering) {
    const bool left = answering->ending_ == Answering::Ending::kCancelled;
    counts_.cancelled += left;
    return left;
  });
}

WorkerCounts Worker::counts() {
  const std::lock_guard lock(mutex_);
  DropLeft();
  WorkerCounts counts = counts_;
  counts.waiting = waiting_.size();
  counts.active = under_way_.size();
  return counts;
}

void Worker::Run() {
  while (true) {
    std::vector<std::shared_ptr<Answering>> taken;
    {
      std::unique_lock lock(mutex_);
      came_.wait(lock, [this] { return stopping_ || !waiting_.empty() || batch_->size() > 0; });
      if (stopping_ && waiting_.empty() && batch_->size() == 0) return;
      taken = TakeWaiting();
    }
    for (const auto& answering : taken) Begin(answering);
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

// As many as there are free sessions, in the order they came.
std::vector<std::shared_ptr<Answering>> Worker::TakeWaiting() {
  std::vector<std::shared_ptr<Answering>> taken;
  while (!waiting_.empty() && under_way_.size() < slots_.size()) {
    under_way_.push_back(waiting_.front());
    taken.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    taken.back()->waited_ms_ = MillisecondsSince(taken.back()->came_);
    counts_.waiting_seconds += taken.back()->waited_ms_ / 1000;
  }
  return taken;
}

void Worker::Begin(const std::shared_ptr<Answering>& answering) {
  Slot* slot = nullptr;
  try {
    if (!answering->GoesOn()) {
      throw Refusal(Reason::kBusy, "the request ended before a session was free");
    }
    slot = &Choose(answering->owner_, answering->asks_.front().prompt);
  } catch (...) {
    {
      const std::lock_guard lock(mutex_);
      Leave(answering);
    }
    return answering->Push({.error = std::current_exception()});
  }
  slot->last_used = ++uses_;
  slot->owner = answering->owner_;
  slot->answering = answering;
  AskNext(*slot);
}

// Another conversation of the same owner goes on where most of it still stands; else what was used
// longest ago makes room.
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
  if (nearest != nullptr) return *nearest;
  if (oldest->last_used > 0 && oldest->owner != owner) {
    oldest->session = nullptr;  // its memory first
    oldest->ids.clear();
  }
  if (oldest->session == nullptr) oldest->session = engine_->NewSession(options_.context);
  return *oldest;
}

// Begins the next ask of the slot's request.
void Worker::AskNext(Slot& slot) {
  const std::shared_ptr<Answering> answering = slot.answering;
  const Ask& ask = answering->asks_[answering->at_];
  BatchRequest request{.turns = ask.turns, .options = ask.options};
  request.on_text = [answering](const std::string& text) {
    if (!text.empty()) answering->Push({.choice = answering->at_, .text = text});
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
  const std::shared_ptr<Answering> answering = slot.answering;
  const bool cut = result.finish_reason == FinishReason::kCancelled;
  if (cut && answering->ending_ == Answering::Ending::kTimeUp) {
    result.finish_reason = FinishReason::kLength;
  }
  slot.ids = result.prompt_token_ids;
  slot.ids.insert(slot.ids.end(), result.token_ids.begin(), result.token_ids.end());
  const bool more = error == nullptr && !cut && answering->at_ + 1 < answering->asks_.size();
  {
    const std::lock_guard lock(mutex_);
    Count(result);
    if (!more) Leave(answering);
  }
  if (!more) slot.answering = nullptr;
  const size_t choice = answering->at_;
  if (error != nullptr) {
    answering->Push({.choice = choice, .error = error});
  } else {
    answering->Push({.choice = choice, .result = std::move(result)});
  }
  if (cut) {  // the others never begin
    while (++answering->at_ < answering->asks_.size()) {
      answering->Push({.choice = answering->at_,
                       .result = GenerateResult{.finish_reason = FinishReason::kLength}});
    }
  }
  if (!more) return;
  ++answering->at_;
  AskNext(slot);
}

void Worker::Count(const GenerateResult& result) {
  const Timings& times = result.timings;
  ++counts_.answers;
  counts_.prompt_tokens += result.prompt_token_ids.size();
  counts_.cached_tokens += static_cast<uint64_t>(times.cached_tokens);
  counts_.answer_tokens += result.token_ids.size();
  counts_.prefill_seconds += (times.prefill_ms + times.image_ms + times.audio_ms) / 1000;
  counts_.decode_seconds += times.decode_ms / 1000;
}

}  // namespace gemma3n::server
