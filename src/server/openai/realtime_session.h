// SPDX-License-Identifier: Apache-2.0
// A Realtime session: events of the client in, events of the server out.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "server/live/session.h"
#include "server/openai/realtime_items.h"
#include "server/openai/realtime_response.h"
#include "server/openai/realtime_settings.h"

namespace gemma3n::server {

class RealtimeSession : public LiveSession {
 public:
  RealtimeSession(const Service& service, const Asker& asker, WebSocket& socket,
                  RealtimeSettings settings);

 protected:
  void OnMessage(const WebSocket::Message& message) override;
  void OnHeard(EarEvent event) override;
  void OnReply(ReplyNews news) override;
  void OnTranscript(TranscriptNews news) override;
  void OnTime(Clock::time_point now) override;
  void OnExpired() override;
  void OnRefused(const Refusal& refusal) override;

 private:
  using Handle = void (RealtimeSession::*)(const Field& event);
  static Handle HandlerOf(const std::string& type);
  void UpdateSession(const Field& event);
  void AppendSound(const Field& event);
  void CommitSound(const Field& event);
  void ClearSound(const Field& event);
  void CreateItem(const Field& event);
  void DeleteItem(const Field& event);
  void RetrieveItem(const Field& event);
  void TruncateItem(const Field& event);
  void CreateResponse(const Field& event);
  void CancelResponse(const Field& event);
  void LeaveAlone(const Field& event);

  void Emit(const char* type, Json fields);
  void EmitSession(const char* what);
  void EmitError(const Refusal& refusal, const char* code);
  void ApplySound(const RealtimeSettings& before);
  void Commit(const std::string& id, const Clips& clips, bool answer);
  void AddItem(RealtimeItem item, const std::optional<std::string>& previous);
  void Answer();
  struct Wish;
  Wish ReadWish(const Field& response);
  void Begin(Wish wish);
  void EndResponse();
  void Interrupt(const char* reason);

  RealtimeSettings settings_;
  const std::string id_;
  const int64_t expires_at_;  // seconds since 1970
  RealtimeItems items_;
  std::unique_ptr<RealtimeResponse> response_;  // under way
  bool wants_answer_ = false;                   // behind the one under way
  std::string speaking_;                        // the item of who speaks; "": nobody
  std::optional<std::string> event_id_;         // of the client's event under way
  // Since when nobody has said anything, on our clock and on the sound's.
  std::optional<Clock::time_point> idle_since_;
  int64_t idle_since_ms_ = 0;
};

}  // namespace gemma3n::server
