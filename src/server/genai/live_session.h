// SPDX-License-Identifier: Apache-2.0
// A session of GenAI's Live interface: messages of the client in, messages of the server out.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/genai/content.h"
#include "server/genai/live_setup.h"
#include "server/live/session.h"
#include "server/spent.h"

namespace gemma3n::server {

// Conversations that may go on in another session: each under a handle, for ten minutes, for the
// client it was of. Safe to use from several threads.
class LiveHandles {
 public:
  using Clock = std::chrono::steady_clock;
  // The handle of the conversation as it is now.
  std::string Keep(std::vector<Turn> turns, const Asker& asker,
                   Clock::time_point now = Clock::now());
  void Forget(const std::string& handle);
  // Nothing where it is not known, of somebody else, or too old.
  std::optional<std::vector<Turn>> Find(const std::string& handle, const Asker& asker);

 private:
  struct Kept {
    std::vector<Turn> turns;
    std::string client;
    Clock::time_point since;
    size_t bytes;
  };
  void DropOld();  // under the mutex

  std::mutex mutex_;
  std::map<std::string, Kept> kept_;
};

class GenAiLiveSession : public LiveSession {
 public:
  GenAiLiveSession(const Service& service, const Asker& asker, WebSocket& socket,
                   LiveHandles& handles)
      : LiveSession(service, asker, socket), handles_(handles) {}

 protected:
  void OnMessage(const WebSocket::Message& message) override;
  void OnHeard(EarEvent event) override;
  void OnReply(ReplyNews news) override;
  void OnTranscript(TranscriptNews news) override;
  void OnEnding(double seconds) override;
  void OnExpired() override;
  void OnRefused(const Refusal& refusal) override;

 private:
  void SetUp(const ProtoField& setup);
  void TakeContent(const ProtoField& content);
  void TakeInput(const ProtoField& input);
  void TakeBlob(const ProtoField& blob);
  void TakeSound(const ProtoField& blob);
  void TakePicture(const ProtoField& blob);
  void TakeText(const ProtoField& text);
  void BeginActivity();
  void EndActivity();
  void TakeResponses(const ProtoField& response);

  void Send(const Json& message);
  void SendText(const std::string& text);
  void Want();    // an answer, when the one under way has ended
  void Answer();  // to what has been said
  void Interrupt();
  void EndTurn(const GenerateResult* result);
  bool Calls(const GenerateResult& result);
  void AddSaid(Part part);  // to what the user says
  void Shorten();           // the conversation, to what may be kept of it
  void OfferHandle();

  LiveHandles& handles_;
  std::optional<LiveSetup> setup_;
  ContentReader contents_;    // what has been said before
  std::vector<Part> said_;    // by the user since the last answer began
  std::vector<Part> frames_;  // that the user has shown since then
  std::optional<Clock::time_point> frame_at_;
  RawSound sound_;
  bool active_ = false;        // the user says so, where nothing is detected
  bool wants_answer_ = false;  // behind the one under way
  std::string text_;           // of the answer under way
  std::vector<ToolCall> calls_;
  Spent spent_;                    // on the media of its prompt
  std::set<std::string> open_;     // calls that wait for their responses
  std::deque<std::string> given_;  // handles, the newest last
};

}  // namespace gemma3n::server
