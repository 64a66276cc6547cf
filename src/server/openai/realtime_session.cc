// SPDX-License-Identifier: Apache-2.0
#include "server/openai/realtime_session.h"

#include <algorithm>
#include <ctime>
#include <map>

#include "server/base64.h"
#include "server/call.h"
#include "server/conversation.h"
#include "server/openai/answer.h"

namespace gemma3n::server {
namespace {

constexpr int64_t kLeastSoundMs = 100;
constexpr double kIdleSoundSeconds = 0.5;  // of silence that stands for nothing having been said
constexpr size_t kMostMetadata = 16;

// A complaint that has a code of its own.
struct RealtimeRefusal : Refusal {
  RealtimeRefusal(const char* its_code, const std::string& message)
      : Refusal(Reason::kInvalidValue, message), code(its_code) {}
  const char* code;
};

bool SameSound(const RawSound& a, const RawSound& b) {
  return a.rate_hz == b.rate_hz && a.format == b.format;
}

std::optional<Detection> DetectionOf(const RealtimeSettings& settings) {
  return settings.detection ? std::optional(settings.detection->detection) : std::nullopt;
}

}  // namespace

RealtimeSession::RealtimeSession(const Service& service, const Asker& asker, WebSocket& socket,
                                 RealtimeSettings settings)
    : LiveSession(service, asker, socket),
      settings_(std::move(settings)),
      id_(NewId("sess_")),
      expires_at_(static_cast<int64_t>(std::time(nullptr)) +
                  static_cast<int64_t>(service.options.limits.live_seconds)) {
  ear_.SetFormat(settings_.sound);
  ear_.SetDetection(DetectionOf(settings_));
  EmitSession("created");
}

void RealtimeSession::Emit(const char* type, Json fields) {
  Json event = {{"type", type}, {"event_id", NewId("event_")}};
  event.update(fields);
  socket_.Send(event.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void RealtimeSession::EmitSession(const char* what) {
  const bool old = settings_.spelling == RealtimeSpelling::kBeta && settings_.only_transcribes;
  const std::string type = (old ? "transcription_session." : "session.") + std::string(what);
  Emit(type.c_str(), {{"session", RealtimeSessionJson(settings_, id_, expires_at_)}});
}

void RealtimeSession::EmitError(const Refusal& refusal, const char* code) {
  Json error = ErrorJson(refusal);
  if (code != nullptr) error["code"] = code;
  error["event_id"] = event_id_ ? Json(*event_id_) : Json(nullptr);
  Emit("error", {{"error", std::move(error)}});
}

void RealtimeSession::OnRefused(const Refusal& refusal) {
  EmitError(refusal, nullptr);
}

RealtimeSession::Handle RealtimeSession::HandlerOf(const std::string& type) {
  static const std::map<std::string, Handle> kHandlers = {
      {"session.update", &RealtimeSession::UpdateSession},
      {"transcription_session.update", &RealtimeSession::UpdateSession},
      {"input_audio_buffer.append", &RealtimeSession::AppendSound},
      {"input_audio_buffer.commit", &RealtimeSession::CommitSound},
      {"input_audio_buffer.clear", &RealtimeSession::ClearSound},
      {"conversation.item.create", &RealtimeSession::CreateItem},
      {"conversation.item.delete", &RealtimeSession::DeleteItem},
      {"conversation.item.retrieve", &RealtimeSession::RetrieveItem},
      {"conversation.item.truncate", &RealtimeSession::TruncateItem},
      {"response.create", &RealtimeSession::CreateResponse},
      {"response.cancel", &RealtimeSession::CancelResponse},
      {"output_audio_buffer.clear", &RealtimeSession::LeaveAlone}};
  const auto found = kHandlers.find(type);
  return found == kHandlers.end() ? nullptr : found->second;
}

void RealtimeSession::OnMessage(const WebSocket::Message& message) {
  event_id_.reset();
  try {
    const Json json = ParseJson(message.data);
    const Field event(json, "");
    if (!json.is_object()) throw Refusal(Reason::kInvalidJson, "event: expected an object");
    if (event["event_id"].present()) event_id_ = Shown(event["event_id"].Text());
    const std::string& type = event["type"].Text();
    const Handle handle = HandlerOf(type);
    if (handle == nullptr)
      Expected(event["type"], "an event of clients, found '" + Shown(type) + "'");
    (this->*handle)(event);
  } catch (const RealtimeRefusal& refusal) {
    EmitError(refusal, refusal.code);
  } catch (...) {
    EmitError(AsRefusal(std::current_exception()), nullptr);
  }
  event_id_.reset();
}

void RealtimeSession::UpdateSession(const Field& event) {
  const RealtimeSettings before = settings_;
  UpdateRealtimeSettings(event["session"], false, service_, settings_);
  ApplySound(before);
  EmitSession("updated");
}

void RealtimeSession::ApplySound(const RealtimeSettings& before) {
  const bool format = !SameSound(before.sound, settings_.sound);
  const bool detection = DetectionOf(before) != DetectionOf(settings_);
  if ((format || detection) && ear_.held_ms() > 0) {
    settings_ = before;
    throw Refusal(Reason::kInvalidValue,
                  "session: the format of the sound and turn_detection change between two "
                  "utterances alone, and " +
                      std::to_string(ear_.held_ms()) + " ms are held; commit or clear them first",
                  "session");
  }
  if (format) ear_.SetFormat(settings_.sound);
  if (detection) ear_.SetDetection(DetectionOf(settings_));
}

void RealtimeSession::AppendSound(const Field& event) {
  const Field audio = event["audio"];
  if (!service_.engine.facts().hears) CannotDo(audio, "this model does not hear");
  const std::optional<std::string> bytes = DecodeBase64(audio.Text());
  if (!bytes) Expected(audio, "strict base64");
  Hear(*bytes);
}

void RealtimeSession::CommitSound(const Field&) {
  if (ear_.held_ms() < kLeastSoundMs) {
    throw RealtimeRefusal("input_audio_buffer_commit_empty",
                          "expected at least 100 ms of sound in the buffer, found " +
                              std::to_string(ear_.held_ms()) + " ms");
  }
  EndHearing();
}

void RealtimeSession::ClearSound(const Field&) {
  ear_.Clear();
  speaking_.clear();
  Emit("input_audio_buffer.cleared", Json::object());
}

void RealtimeSession::AddItem(RealtimeItem item, const std::optional<std::string>& previous) {
  const std::string id = item.id;
  items_.Insert(std::move(item), previous);
  const RealtimeItem& added = *items_.Find(id);
  EmitItemAdded(items_, added, settings_.spelling,
                [this](const char* type, Json fields) { Emit(type, std::move(fields)); });
  EmitItemDone(items_, added, settings_.spelling,
               [this](const char* type, Json fields) { Emit(type, std::move(fields)); });
  for (const std::string& dropped : items_.DropOldest()) {
    Emit("conversation.item.deleted", {{"item_id", dropped}});
  }
}

void RealtimeSession::CreateItem(const Field& event) {
  RealtimeItem item = ReadItem(event["item"], settings_, service_, asker_.owner);
  if (item.kind == RealtimeItem::Kind::kCallOutput) NameOutput(item, items_.all());
  const Field previous = event["previous_item_id"];
  AddItem(std::move(item), previous.present() ? std::optional(previous.Text()) : std::nullopt);
}

void RealtimeSession::DeleteItem(const Field& event) {
  const Field id = event["item_id"];
  if (!items_.Remove(id.Text())) Expected(id, "an item of the conversation");
  transcripts_.Drop(id.Text());
  Emit("conversation.item.deleted", {{"item_id", id.Text()}});
}

void RealtimeSession::RetrieveItem(const Field& event) {
  const Field id = event["item_id"];
  const RealtimeItem* const item = items_.Find(id.Text());
  if (item == nullptr) Expected(id, "an item of the conversation");
  Emit("conversation.item.retrieved", {{"item", ItemJson(*item)}});
}

void RealtimeSession::TruncateItem(const Field& event) {
  CannotDo(event["item_id"], "answers are text; there is no sound to truncate");
}

void RealtimeSession::LeaveAlone(const Field&) {}

// What somebody has said becomes an item, and is answered where that is wished.
void RealtimeSession::Commit(const std::string& id, const Clips& clips, bool answer) {
  const std::optional<std::string> last = items_.Last();
  Emit("input_audio_buffer.committed",
       {{"previous_item_id", last ? Json(*last) : Json(nullptr)}, {"item_id", id}});
  AddItem(SpokenItem(id, clips), std::nullopt);
  if (settings_.transcription) transcripts_.Add(id, clips, settings_.transcription->wish);
  if (!answer) return;
  wants_answer_ = true;
  if (!reply_.under_way()) Answer();
}

void RealtimeSession::OnHeard(EarEvent event) {
  const bool detects = settings_.detection.has_value();
  switch (event.kind) {
    case EarEvent::Kind::kBegin:
      speaking_ = NewId("item_");
      idle_since_.reset();
      Emit("input_audio_buffer.speech_started",
           {{"audio_start_ms", event.at_ms}, {"item_id", speaking_}});
      if (settings_.detection->interrupt_response) Interrupt("turn_detected");
      break;
    case EarEvent::Kind::kEnd: {
      const std::string id = speaking_.empty() ? NewId("item_") : std::exchange(speaking_, "");
      if (detects) {
        Emit("input_audio_buffer.speech_stopped", {{"audio_end_ms", event.at_ms}, {"item_id", id}});
      }
      Commit(id, event.clips,
             detects && settings_.detection->create_response && !settings_.only_transcribes);
      break;
    }
    case EarEvent::Kind::kNone:
      Emit("input_audio_buffer.speech_stopped",
           {{"audio_end_ms", event.at_ms}, {"item_id", std::exchange(speaking_, "")}});
      Emit("input_audio_buffer.cleared", Json::object());
      break;
    case EarEvent::Kind::kDropped:
      EmitError(RealtimeRefusal("input_audio_buffer_overflow",
                                "more than 30 s of sound are not committed; what came before " +
                                    std::to_string(event.at_ms) + " ms is dropped"),
                "input_audio_buffer_overflow");
      break;
  }
}

void RealtimeSession::OnTranscript(TranscriptNews news) {
  Json place = {{"item_id", news.id}, {"content_index", 0}};
  constexpr const char* kDelta = "conversation.item.input_audio_transcription.delta";
  constexpr const char* kCompleted = "conversation.item.input_audio_transcription.completed";
  constexpr const char* kFailed = "conversation.item.input_audio_transcription.failed";
  if (news.failure) {
    place["error"] = ErrorJson(*news.failure);
    return Emit(kFailed, std::move(place));
  }
  if (!news.text.empty()) {
    Json delta = place;
    delta["delta"] = news.text;
    Emit(kDelta, std::move(delta));
  }
  if (!news.whole) return;
  if (RealtimeItem* const item = items_.Find(news.id)) {
    item->content[0]["transcript"] = *news.whole;
  }
  const int64_t sound = static_cast<int64_t>(news.clips) * service_.engine.facts().audio_tokens;
  place["transcript"] = *news.whole;
  place["usage"] = {{"type", "tokens"},
                    {"total_tokens", news.input_tokens + news.output_tokens},
                    {"input_tokens", news.input_tokens},
                    {"output_tokens", news.output_tokens},
                    {"input_token_details",
                     {{"text_tokens", std::max<int64_t>(0, news.input_tokens - sound)},
                      {"audio_tokens", sound}}}};
  Emit(kCompleted, std::move(place));
}

void RealtimeSession::OnExpired() {
  EmitError(RealtimeRefusal("session_expired", "the session has lasted as long as one may"),
            "session_expired");
  socket_.Close(1000, "session expired");
}

// Nobody says anything: that is an utterance too, where it was asked for.
void RealtimeSession::OnTime(Clock::time_point now) {
  if (!settings_.detection || !settings_.detection->idle_timeout_ms || !idle_since_) return;
  if (!speaking_.empty() || reply_.under_way()) return;
  if (now - *idle_since_ < std::chrono::milliseconds(*settings_.detection->idle_timeout_ms)) return;
  idle_since_.reset();
  const std::string id = NewId("item_");
  Emit("input_audio_buffer.timeout_triggered",
       {{"audio_start_ms", idle_since_ms_}, {"audio_end_ms", ear_.now_ms()}, {"item_id", id}});
  const std::vector<float> silence(static_cast<size_t>(kIdleSoundSeconds * 16000));
  Commit(id, CutClips(silence, kIdleSoundSeconds * 2), settings_.detection->create_response);
}

void RealtimeSession::OnReply(ReplyNews news) {
  response_->Add(news.events);
  if (news.failure) {
    response_->Fail(*news.failure);
  } else if (news.result) {
    response_->Complete(*news.result);
  } else {
    return;
  }
  EndResponse();
}

void RealtimeSession::EndResponse() {
  reply_.Cancel();
  response_ = nullptr;
  idle_since_ = Clock::now();
  idle_since_ms_ = ear_.now_ms();
  if (wants_answer_) Answer();
}

void RealtimeSession::Interrupt(const char* reason) {
  wants_answer_ = false;
  if (response_ == nullptr) return;
  response_->Cancel(reason);
  EndResponse();
}

void RealtimeSession::CancelResponse(const Field& event) {
  const Field id = event["response_id"];
  if (response_ == nullptr) {
    throw RealtimeRefusal("response_cancel_not_active", "no response is under way");
  }
  if (id.present() && id.Text() != response_->id()) Expected(id, "the response under way");
  Interrupt("client_cancelled");
}

struct RealtimeSession::Wish {
  std::list<RealtimeItem> items;
  std::string instructions;
  RealtimeTools tools;
  SamplingOptions sampling;
  RealtimeAnswerOptions options;
};

RealtimeSession::Wish RealtimeSession::ReadWish(const Field& response) {
  const bool ga = settings_.spelling == RealtimeSpelling::kGa;
  Wish wish{.instructions = settings_.instructions,
            .tools = settings_.tools,
            .sampling = settings_.sampling,
            .options = {.spelling = settings_.spelling,
                        .max_output_tokens = settings_.max_output_tokens}};
  if (response.present() && !response.json().is_object()) Expected(response, "an object");
  if (response["instructions"].present()) wish.instructions = response["instructions"].Text();
  ReadOutputModalities(response[ga ? "output_modalities" : "modalities"], settings_.spelling);
  ReadRealtimeTools(response, wish.tools);
  ReadRealtimeSampling(response, service_, wish.sampling);
  const char* const most = ga ? "max_output_tokens" : "max_response_output_tokens";
  if (response[most].present()) wish.options.max_output_tokens = ReadMostTokens(response[most]);
  const Field metadata = response["metadata"];
  if (metadata.present()) {
    if (!metadata.json().is_object() || metadata.json().size() > kMostMetadata) {
      Expected(metadata, "an object of at most 16 texts");
    }
    wish.options.metadata = metadata.json();
  }
  wish.options.in_conversation =
      response["conversation"].Word({"auto", "none"}).value_or("auto") == "auto";
  wish.items = items_.all();
  const Field input = response["input"];
  if (!input.present()) return wish;
  wish.items.clear();
  size_t referred_bytes = 0;  // each may be referred to many times
  for (const Field& one : input.Items(kMostMessages)) {
    if (one["type"].present() && one["type"].Text() == "item_reference") {
      const RealtimeItem* const item = items_.Find(one["id"].Text());
      if (item == nullptr) Expected(one["id"], "an item of the conversation");
      referred_bytes += BytesOf(*item);
      if (referred_bytes > kMostLiveBytes) {
        throw Refusal(Reason::kTooLarge,
                      input.path() + ": what is referred to is larger than " +
                          std::to_string(kMostLiveBytes) + " bytes",
                      input.path());
      }
      wish.items.push_back(*item);
      continue;
    }
    wish.items.push_back(ReadItem(one, settings_, service_, asker_.owner));
    if (wish.items.back().kind == RealtimeItem::Kind::kCallOutput) {
      NameOutput(wish.items.back(), wish.items);
    }
  }
  return wish;
}

void RealtimeSession::CreateResponse(const Field& event) {
  if (settings_.only_transcribes) {
    throw Refusal(Reason::kUnsupportedValue, "this session transcribes alone", "type");
  }
  if (response_ != nullptr) {
    throw RealtimeRefusal("conversation_already_has_active_response",
                          "a response is under way: " + response_->id());
  }
  Begin(ReadWish(event["response"]));
}

// To what was said last.
void RealtimeSession::Answer() {
  wants_answer_ = false;
  const Json nothing;
  try {
    Begin(ReadWish(Field(nothing, "response")));
  } catch (...) {
    EmitError(AsRefusal(std::current_exception()), nullptr);
  }
}

void RealtimeSession::Begin(Wish wish) {
  Ask ask;
  ask.turns = TurnsOf(wish.items, wish.instructions, wish.tools.use);
  if (ask.turns.empty() || ask.turns.back().role != Role::kUser) {
    if (wish.instructions.empty()) {
      throw Refusal(Reason::kInvalidValue,
                    "there is nothing to answer: no item and no instructions", "response");
    }
    ask.turns.push_back({Role::kUser, {Part(wish.instructions)}});
  }
  ask.options.sampling = wish.sampling;
  ask.options.max_tokens =
      std::min(service_.context, wish.options.max_output_tokens.value_or(service_.context));
  ask.options.constraint = wish.tools.constraint;
  if (settings_.truncates) {
    LayOutFitting(ask, service_, service_.context);
  } else {
    service_.worker.LayOut(ask);
  }
  wish.options.media = SpentOnMedia(ask.turns, service_.engine.facts());
  wish.options.behind = items_.Last();
  reply_.Begin(service_.worker, std::move(ask), asker_, wish.tools.use.calls());
  response_ = std::make_unique<RealtimeResponse>(
      items_, service_, [this](const char* type, Json fields) { Emit(type, std::move(fields)); },
      std::move(wish.options));
}

}  // namespace gemma3n::server
