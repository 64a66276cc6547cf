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
  virtual void OnTime(Clock::time_point now) = 0;  // several times a second
  virtual void OnRefused(const Refusal& refusal) = 0;

  void Hear(std::string_view bytes);
  void EndHearing();  // Ear::End
  double seconds_left(Clock::time_point now) const;

  const Service& service_;
  const Asker asker_;
  WebSocket& socket_;
  Ear ear_;
  Reply reply_;
  Transcripts transcripts_;

 private:
  void Look();

  const Clock::time_point ends_at_;
};

// What the conversation of one session may take; what is oldest is left out past it.
constexpr size_t kMostLiveBytes = 64 << 20;

}  // namespace gemma3n::server
