// SPDX-License-Identifier: Apache-2.0
#include "server/live/session.h"

#include <algorithm>
#include <utility>

#include "server/frames.h"

namespace gemma3n::server {
namespace {

// Between two looks at the answer while one is under way, and at the clock while none is.
constexpr std::chrono::milliseconds kNow(0), kGlance(3), kTick(100);
constexpr std::chrono::seconds kNotice(60);  // before a session ends

}  // namespace

LiveSession::LiveSession(const Service& service, const Asker& asker, WebSocket& socket)
    : service_(service),
      asker_(asker),
      socket_(socket),
      ear_(std::min(service.engine.facts().max_clip_seconds, Ear::kMostHeldSeconds)),
      transcripts_(service, asker_),
      ends_at_(Clock::now() +
               std::chrono::duration_cast<Clock::duration>(
                   std::chrono::duration<double>(service.options.limits.live_seconds))) {}

void LiveSession::Run() {
  WebSocket::Message message;
  bool more = false;  // of the answer may be there already
  while (true) {
    socket_.Hold(transcripts_.is_full());
    const auto patience = std::exchange(more, false) ? kNow : busy() ? kGlance : kTick;
    const auto outcome = socket_.Read(message, Clock::now() + patience);
    if (outcome == WebSocket::Outcome::kClosed) return;
    try {
      if (outcome == WebSocket::Outcome::kMessage) OnMessage(message);
      more = Look();
    } catch (...) {
      OnRefused(AsRefusal(std::current_exception()));
    }
  }
}

// One piece of news of each, and the client is heard again: on a busy machine the next one may be
// there whenever it is looked for, and an answer could not be cancelled.
bool LiveSession::Look() {
  std::optional<ReplyNews> reply = reply_.Next();
  if (reply) OnReply(std::move(*reply));
  std::optional<TranscriptNews> transcript = transcripts_.Next();
  if (transcript) OnTranscript(std::move(*transcript));
  const auto now = Clock::now();
  OnTime(now);
  HeedEnd(now);
  return reply || transcript;
}

void LiveSession::HeedEnd(Clock::time_point now) {
  const std::optional<Clock::time_point> shutdown = socket_.ends_at();
  const auto end = std::min(ends_at_, shutdown.value_or(ends_at_));
  if ((shutdown || end - now <= kNotice) && end < told_end_) {
    told_end_ = end;
    OnEnding(std::max(0.0, std::chrono::duration<double>(end - now).count()));
  }
  // An answer under way is ended, in time, by the worker.
  if (shutdown && !busy()) return socket_.Close(kGoingAway, "the server is shutting down");
  if (now >= ends_at_) OnExpired();
}

void LiveSession::Hear(std::string_view bytes) {
  for (EarEvent& event : ear_.Push(bytes)) OnHeard(std::move(event));
}

void LiveSession::EndHearing() {
  for (EarEvent& event : ear_.End()) OnHeard(std::move(event));
}

}  // namespace gemma3n::server
