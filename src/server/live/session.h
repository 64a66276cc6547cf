// SPDX-License-Identifier: Apache-2.0
// A conversation over a WebSocket, whatever the dialect. All of it happens in the connection's
// thread, which reads what the client sends and looks between for what came of the answer: there is
// nothing to lock, and events leave in one order.
#pragma once

#include <string>
#include <string_view>

#include "server/chat.h"
#include "server/live/ear.h"
#include "server/live/reply.h"
#include "server/websocket.h"

namespace gemma3n::server {

class LiveSession {
 public:
  LiveSession(const Service& service, const Asker& asker, WebSocket& socket);
  virtual ~LiveSession() = default;
  LiveSession(const LiveSession&) = delete;
  LiveSession& operator=(const LiveSession&) = delete;

  // Until the socket is closed.
  void Run();

 protected:
  // What each throws as Refusal goes to OnRefused.
  virtual void OnMessage(const WebSocket::Message& message) = 0;
  virtual void OnHeard(EarEvent event) = 0;
  virtual void OnReply(ReplyNews news) = 0;
  virtual void OnTranscript(TranscriptNews news) = 0;
  virtual void OnTime(Clock::time_point) {}  // several times a second
  // In so many seconds it ends at the latest: it has lasted long, or the service shuts down.
  virtual void OnEnding(double) {}
  virtual void OnExpired() = 0;  // it has lasted as long as one may: closes
  virtual void OnRefused(const Refusal& refusal) = 0;

  void Hear(std::string_view bytes);
  void EndHearing();  // Ear::End

  const Service& service_;
  const Asker asker_;
  WebSocket& socket_;
  Ear ear_;
  Reply reply_;
  Transcripts transcripts_;

 private:
  bool Look();  // whether there was news
  void HeedEnd(Clock::time_point now);
  bool busy() const { return reply_.under_way() || transcripts_.under_way(); }

  const Clock::time_point ends_at_;
  Clock::time_point told_end_ = Clock::time_point::max();
};

// What the conversation of one session may take; what is oldest is left out past it.
constexpr size_t kMostLiveBytes = 64 << 20;

}  // namespace gemma3n::server
