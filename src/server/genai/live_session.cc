// SPDX-License-Identifier: Apache-2.0
#include "server/genai/live_session.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "server/base64.h"
#include "server/genai/answer.h"
#include "server/spent.h"

namespace gemma3n::server {
namespace {

constexpr std::chrono::minutes kHandleLife(10);
constexpr size_t kMostOfSession = 4, kMostHandles = 256, kMostHandleBytes = 512u << 20;
constexpr std::chrono::seconds kBetweenFrames(1);
constexpr size_t kMostFrames = 16;             // of one turn
constexpr size_t kMostTurnBytes = 512u << 20;  // the same
constexpr size_t kMostSaid = 512;              // parts of one turn
constexpr size_t kMostNames = 1024;            // of calls
constexpr double kNoticeSeconds = 60;          // before a session ends

// The code that a session is closed with.
int CloseCode(Reason reason) {
  switch (reason) {
    case Reason::kInvalidKey:
    case Reason::kNotAllowed:
    case Reason::kModelNotFound:
    case Reason::kNotFound:
      return 1008;
    case Reason::kDraining:
      return 1001;
    case Reason::kTooLarge:
      return 1009;
    case Reason::kTooManyGuesses:
    case Reason::kBusy:
    case Reason::kFull:
    case Reason::kOutOfMemory:
    case Reason::kInternal:
      return 1011;
    default:
      return 1007;
  }
}

}  // namespace

std::string LiveHandles::Keep(std::vector<Turn> turns, const Asker& asker, Clock::time_point now) {
  const std::string handle = NewId("handle_");
  const size_t bytes = MediaReader::BytesOf(turns);
  const std::lock_guard lock(mutex_);
  kept_[handle] = {std::move(turns), asker.client(), now, bytes};
  DropOld();
  return handle;
}

void LiveHandles::Forget(const std::string& handle) {
  const std::lock_guard lock(mutex_);
  kept_.erase(handle);
}

void LiveHandles::DropOld() {
  const auto now = Clock::now();
  std::erase_if(kept_, [now](const auto& one) { return now - one.second.since > kHandleLife; });
  size_t bytes = 0;
  for (const auto& [handle, kept] : kept_) bytes += kept.bytes;
  while (kept_.size() > kMostHandles || (bytes > kMostHandleBytes && kept_.size() > 1)) {
    const auto oldest = std::min_element(
        kept_.begin(), kept_.end(),
        [](const auto& a, const auto& b) { return a.second.since < b.second.since; });
    bytes -= oldest->second.bytes;
    kept_.erase(oldest);
  }
}

std::optional<std::vector<Turn>> LiveHandles::Find(const std::string& handle, const Asker& asker) {
  const std::lock_guard lock(mutex_);
  DropOld();
  const auto found = kept_.find(handle);
  if (found == kept_.end() || found->second.client != asker.client()) return std::nullopt;
  return found->second.turns;
}

void GenAiLiveSession::Send(const Json& message) {
  socket_.Send(message.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void GenAiLiveSession::SendText(const std::string& text) {
  Json part;
  part["text"] = text;
  const Json turn = {{"role", "model"}, {"parts", Json::array({std::move(part)})}};
  Send({{"serverContent", {{"modelTurn", turn}}}});
}

void GenAiLiveSession::OnRefused(const Refusal& refusal) {
  reply_.Cancel();
  socket_.Close(CloseCode(refusal.reason), refusal.what());
}

void GenAiLiveSession::OnMessage(const WebSocket::Message& message) {
  const Json json = ParseJson(message.data);
  const ProtoField body(json, "");
  if (!json.is_object()) throw Refusal(Reason::kInvalidJson, "message: expected an object");
  const ProtoField setup = body["setup"], content = body["clientContent"];
  const ProtoField input = body["realtimeInput"], response = body["toolResponse"];
  const int kinds = setup.present() + content.present() + input.present() + response.present();
  const bool others =
      !body.Others({"setup", "clientContent", "realtimeInput", "toolResponse"}).empty();
  if (kinds != 1 || others) {
    throw Refusal(Reason::kInvalidValue,
                  "expected one of setup, clientContent, realtimeInput and toolResponse");
  }
  if (setup.present() == setup_.has_value()) {
    throw Refusal(Reason::kInvalidValue, setup_ ? "setup: a session is set up once"
                                                : "expected setup as the first message");
  }
  if (setup.present()) SetUp(setup);
  if (content.present()) TakeContent(content);
  if (input.present()) TakeInput(input);
  if (response.present()) TakeResponses(response);
}

void GenAiLiveSession::SetUp(const ProtoField& field) {
  LiveSetup setup = ReadLiveSetup(field, service_);
  if (!setup.handle.empty()) {
    std::optional<std::vector<Turn>> turns = handles_.Find(setup.handle, asker_);
    if (!turns) {
      throw Refusal(Reason::kNotFound,
                    "sessionResumption.handle: no conversation of yours is known "
                    "by it, or not any more");
    }
    for (Turn& turn : *turns) contents_.conversation.Add(turn.role, std::move(turn.parts));
  }
  Call call;
  MediaParts media(service_, asker_.owner, call);
  contents_.AddSystem(field["systemInstruction"], media);
  ear_.SetFormat(sound_);
  ear_.SetDetection(setup.detection);
  setup_ = std::move(setup);
  Send({{"setupComplete", {{"sessionId", NewId("session_")}}}});
}

void GenAiLiveSession::TakeContent(const ProtoField& content) {
  const bool complete = content["turnComplete"].Flag(false);
  Interrupt();
  const ProtoField turns = content["turns"];
  Call call;
  MediaParts media(service_, asker_.owner, call);
  if (turns.present()) {
    contents_.Add(turns.Items(kMostMessages), media);
  }
  Shorten();
  if (complete) Want();
}

void GenAiLiveSession::TakeInput(const ProtoField& input) {
  if (!input.json().is_object()) Expected(input, "an object");
  for (const char* name : {"activityStart", "activityEnd"}) {
    if (input[name].present() && setup_->detection) {
      CannotDo(input[name], "only while automaticActivityDetection is disabled");
    }
  }
  if (input["activityStart"].present()) BeginActivity();
  const ProtoField chunks = input["mediaChunks"];
  for (const ProtoField& blob :
       chunks.present() ? chunks.Items(kMostParts) : std::vector<ProtoField>()) {
    TakeBlob(blob);
  }
  if (input["audio"].present()) TakeSound(input["audio"]);
  if (input["video"].present()) TakePicture(input["video"]);
  if (input["text"].present()) TakeText(input["text"]);
  if (input["audioStreamEnd"].Flag(false) && setup_->detection) EndHearing();
  if (input["activityEnd"].present()) EndActivity();
}

void GenAiLiveSession::TakeBlob(const ProtoField& blob) {
  const ProtoField type = blob["mimeType"];
  type.Text().starts_with("image/") ? TakePicture(blob) : TakeSound(blob);
}

void GenAiLiveSession::TakeSound(const ProtoField& blob) {
  if (!service_.engine.facts().hears) CannotDo(blob, "this model does not hear");
  const RawSound raw = ReadSoundType(blob["mimeType"]);
  const std::optional<std::string> bytes = DecodeBase64(StandardBase64(blob["data"].Text()));
  if (!bytes) Expected(blob["data"], "strict base64");
  if (raw.rate_hz != sound_.rate_hz) {
    if (ear_.held_ms() > 0) {
      Expected(blob["mimeType"], "the rate of what is being said, " +
                                     std::to_string(sound_.rate_hz) + " Hz, until it ends");
    }
    sound_ = raw;
    ear_.SetFormat(sound_);
  }
  // Without detection only what belongs to an activity is heard.
  if (setup_->detection || active_) Hear(*bytes);
}

void GenAiLiveSession::TakePicture(const ProtoField& blob) {
  const auto now = Clock::now();
  const ProtoField type = blob["mimeType"];
  if (!type.Text().starts_with("image/")) {
    CannotDo(type, "expected pictures, found '" + Shown(type.Text()) + "'");
  }
  if (frame_at_ && now - *frame_at_ < kBetweenFrames) return;
  frame_at_ = now;
  Call call;
  const Json text = StandardBase64(blob["data"].Text());
  const Field data(text, blob["data"].path());
  frames_.push_back(MediaParts(service_, asker_.owner, call).Picture(data, true));
  if (frames_.size() > kMostFrames) frames_.erase(frames_.begin());
}

void GenAiLiveSession::TakeText(const ProtoField& text) {
  AddSaid(Part(text.Text()));
  const bool speaking = setup_->detection ? ear_.is_speaking() : active_;
  if (speaking) return;  // it belongs to what is being said
  if (setup_->interrupts) Interrupt();
  Want();
}

void GenAiLiveSession::AddSaid(Part part) {
  if (said_.size() >= kMostSaid) said_.erase(said_.begin());
  said_.push_back(std::move(part));
}

void GenAiLiveSession::BeginActivity() {
  active_ = true;
  if (setup_->only_activity && frames_.size() > 1)
    frames_.erase(frames_.begin(), frames_.end() - 1);
  if (setup_->interrupts) Interrupt();
}

void GenAiLiveSession::EndActivity() {
  if (!active_) return;
  EndHearing();
  active_ = false;
  if (!said_.empty() || !frames_.empty()) Want();
}

void GenAiLiveSession::OnHeard(EarEvent event) {
  switch (event.kind) {
    case EarEvent::Kind::kBegin:
      if (setup_->only_activity && frames_.size() > 1) {
        frames_.erase(frames_.begin(), frames_.end() - 1);
      }
      if (setup_->interrupts) Interrupt();
      break;
    case EarEvent::Kind::kEnd:
      for (Part& clip : PartsOf(event.clips)) AddSaid(std::move(clip));
      if (setup_->transcribes) transcripts_.Add("", event.clips, *setup_->transcribes);
      if (setup_->detection) Want();
      break;
    case EarEvent::Kind::kNone:
      if (!said_.empty()) Want();  // a text that came meanwhile
      break;
    case EarEvent::Kind::kDropped:  // the last 30 s of an activity count; no message tells it
      break;
  }
}

void GenAiLiveSession::TakeResponses(const ProtoField& response) {
  Call call;
  MediaParts media(service_, asker_.owner, call);
  bool taken = false;
  for (const ProtoField& one : response["functionResponses"].Items(kMostParts)) {
    const ProtoField id = one["id"];
    if (!contents_.names.contains(id.Text())) {
      Expected(id, "the id of a call, found '" + Shown(id.Text()) + "'");
    }
    if (open_.erase(id.Text()) == 0) continue;  // it was cancelled, or answered already
    contents_.AddResult(one, media);
    taken = true;
  }
  if (taken && open_.empty()) Want();
}

void GenAiLiveSession::Want() {
  wants_answer_ = true;
  if (!reply_.under_way()) Answer();
}

void GenAiLiveSession::Answer() {
  wants_answer_ = false;
  std::vector<Part> parts = std::exchange(frames_, {});
  for (Part& part : said_) parts.push_back(std::move(part));
  said_.clear();
  Conversation& conversation = contents_.conversation;
  for (Part& part : parts) conversation.Add(Role::kUser, {std::move(part)});
  Shorten();
  if (conversation.empty() || conversation.turns().back().role != Role::kUser) {
    throw Refusal(Reason::kInvalidValue, "there is nothing to answer: the user has said nothing");
  }
  Ask ask{.options = setup_->options};
  const Json turns;
  conversation.LayOut(Field(turns, "clientContent.turns"), setup_->tools, ask);
  LayOutFitting(ask, service_, setup_->most_tokens);
  spent_ = SpentOnMedia(ask.turns, service_.engine.facts());
  text_.clear();
  calls_.clear();
  reply_.Begin(service_.worker, std::move(ask), asker_, setup_->tools.calls());
}

void GenAiLiveSession::OnReply(ReplyNews news) {
  for (ToolEvent& event : news.events) {
    switch (event.kind) {
      case ToolEvent::Kind::kText:
        text_ += event.text;
        SendText(event.text);
        break;
      case ToolEvent::Kind::kCallBegun:
        calls_.push_back({NewId("call_"), event.text, ""});
        break;
      case ToolEvent::Kind::kArguments:
        calls_.back().arguments += event.text;
        break;
      case ToolEvent::Kind::kCallEnded:
        contents_.names[calls_.back().id] = calls_.back().name;
        open_.insert(calls_.back().id);
        break;
    }
  }
  if (news.failure) throw Refusal(*news.failure);
  if (news.result && !Calls(*news.result)) EndTurn(&*news.result);
}

// Whether the answer calls functions: the turn goes on with what they return.
bool GenAiLiveSession::Calls(const GenerateResult& result) {
  std::erase_if(calls_, [this](const ToolCall& call) { return !open_.contains(call.id); });
  if (calls_.empty()) return false;
  Json list = Json::array();
  for (const ToolCall& call : calls_) list.push_back(GenAiCallJson(call));
  contents_.conversation.Add(Role::kModel, {Part(CallsText(calls_))});
  Send({{"toolCall", {{"functionCalls", std::move(list)}}},
        {"usageMetadata", GenAiUsage(SpentOf(spent_, result), "response")}});
  return true;
}

// The turn of the model is over, with its result or interrupted.
void GenAiLiveSession::EndTurn(const GenerateResult* result) {
  if (!text_.empty()) {
    contents_.conversation.Add(Role::kModel, {Part(std::exchange(text_, ""))});
  }
  Json end = {{"serverContent", {{"turnComplete", true}}}};
  if (result == nullptr) {
    Send({{"serverContent", {{"interrupted", true}}}});
  } else {
    Send({{"serverContent", {{"generationComplete", true}}}});
    end["usageMetadata"] = GenAiUsage(SpentOf(spent_, *result), "response");
  }
  Send(end);
  OfferHandle();
  if (wants_answer_) Answer();
}

void GenAiLiveSession::Interrupt() {
  wants_answer_ = false;
  const bool waits = !open_.empty();  // for what functions return: the turn has not ended
  if (waits) {
    Json ids = Json::array();
    for (const std::string& id : open_) ids.push_back(id);
    open_.clear();
    Send({{"toolCallCancellation", {{"ids", std::move(ids)}}}});
  }
  if (!waits && !reply_.under_way()) return;
  reply_.Cancel();
  EndTurn(nullptr);
}

void GenAiLiveSession::OfferHandle() {
  if (!setup_->resumes) return;
  given_.push_back(handles_.Keep(contents_.conversation.turns(), asker_));
  Send({{"sessionResumptionUpdate", {{"newHandle", given_.back()}, {"resumable", true}}}});
  if (given_.size() <= kMostOfSession) return;
  handles_.Forget(given_.front());
  given_.pop_front();
}

void GenAiLiveSession::Shorten() {
  if (contents_.names.size() > kMostNames) {
    std::erase_if(contents_.names, [this](const auto& one) { return !open_.contains(one.first); });
  }
  contents_.conversation.Shorten(kMostLiveBytes, kMostMessages);
  if (MediaReader::BytesOf(contents_.conversation.turns()) > kMostTurnBytes) {
    throw Refusal(Reason::kTooLarge,
                  "one turn holds more than " + std::to_string(kMostTurnBytes >> 20) + " MiB");
  }
}

void GenAiLiveSession::OnTranscript(TranscriptNews news) {
  if (!news.whole) return;
  Send({{"serverContent", {{"inputTranscription", {{"text", *news.whole}, {"finished", true}}}}}});
}

void GenAiLiveSession::OnEnding(double seconds) {
  const auto left = static_cast<int64_t>(std::ceil(seconds));
  Send({{"goAway", {{"timeLeft", std::to_string(left) + "s"}}}});
}

void GenAiLiveSession::OnExpired() {
  socket_.Close(1000, "the session has lasted as long as one may");
}

}  // namespace gemma3n::server
