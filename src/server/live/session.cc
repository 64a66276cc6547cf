// SPDX-License-Identifier: Apache-2.0
#include "server/live/session.h"

#include <algorithm>

#include "server/frames.h"

namespace gemma3n::server {
namespace {

// Between two looks at the answer while one is under way, and at the clock while none is.
constexpr std::chrono::milliseconds kGlance(3), kTick(100);
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
  while (true) {
    socket_.Hold(transcripts_.is_full());
    const auto outcome = socket_.Read(message, Clock::now() + (busy() ? kGlance : kTick));
    if (outcome == WebSocket::Outcome::kClosed) return;
    try {
      if (outcome == WebSocket::Outcome::kMessage) OnMessage(message);
      Look();
    } catch (...) {
      OnRefused(AsRefusal(std::current_exception()));
    }
  }
}

void LiveSession::Look() {
  while (std::optional<ReplyNews> news = reply_.Next()) OnReply(std::move(*news));
  while (std::optional<TranscriptNews> news = transcripts_.Next()) OnTranscript(std::move(*news));
  const auto now = Clock::now();
  OnTime(now);
  HeedEnd(now);
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
