// SPDX-License-Identifier: Apache-2.0
#include "server/openai/audio.h"

#include <cctype>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "gemma3n/subtitles.h"
#include "server/answer_stream.h"
#include "server/call.h"
#include "server/json.h"
#include "server/openai/answer.h"
#include "server/openai/audio_request.h"

namespace gemma3n::server {
namespace {

constexpr std::chrono::seconds kSilence(15);  // after which a stream says that it lives

std::string Dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

double Rounded(double value) {
  return std::round(value * 1000) / 1000;
}

Json UsageJson(const TranscribeTimings& timings) {
  const int64_t input = timings.text_tokens + timings.audio_tokens;
  return {{"type", "tokens"},
          {"input_tokens", input},
          {"input_token_details",
           {{"text_tokens", timings.text_tokens}, {"audio_tokens", timings.audio_tokens}}},
          {"output_tokens", timings.answer_tokens},
          {"total_tokens", input + timings.answer_tokens}};
}

Json LogprobsJson(const Engine& engine, const std::vector<Segment>& segments) {
  Json list = Json::array();
  for (const Segment& segment : segments) {
    for (const TokenLogprob& token : segment.tokens) {
      const std::string bytes = TokenBytes(engine, token.id);
      Json numbers = Json::array();
      for (char byte : bytes) numbers.push_back(static_cast<unsigned char>(byte));
      list.push_back({{"token", bytes}, {"logprob", token.logprob}, {"bytes", numbers}});
    }
  }
  return list;
}

Json SegmentJson(const Segment& segment, size_t index) {
  Json tokens = Json::array();
  for (const TokenLogprob& token : segment.tokens) tokens.push_back(token.id);
  return {{"id", index},
          {"seek", std::llround(segment.start_s * 100)},
          {"start", Rounded(segment.start_s)},
          {"end", Rounded(segment.end_s)},
          {"text", " " + segment.text},
          {"tokens", tokens},
          {"temperature", Rounded(segment.temperature)},
          {"avg_logprob", segment.average_logprob},
          {"compression_ratio", segment.compression_ratio},
          {"no_speech_prob", Rounded(segment.no_speech)}};
}

std::string LanguageWord(const AudioCall& call, const Transcription& found) {
  if (call.work.speech.task != SpeechTask::kTranscribe) return "english";
  std::string name = found.language;
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name.empty() ? "unknown" : name;
}

Json VerboseJson(const AudioCall& call, const Transcription& found) {
  Json segments = Json::array();
  for (size_t i = 0; i < found.segments.size(); ++i) {
    segments.push_back(SegmentJson(found.segments[i], i));
  }
  const bool transcribes = call.work.speech.task == SpeechTask::kTranscribe;
  return {{"task", transcribes ? "transcribe" : "translate"},
          {"language", LanguageWord(call, found)},
          {"duration", Rounded(found.duration_s)},
          {"text", TextOf(found.segments)},
          {"segments", segments},
          {"usage",
           {{"type", "duration"}, {"seconds", static_cast<int64_t>(std::ceil(found.duration_s))}}}};
}

Response Whole(const AudioCall& call, const Transcription& found, const Engine& engine) {
  Response response{.headers = IgnoredHeader(call.ignored)};
  const std::vector<Segment>& segments = found.segments;
  switch (call.format) {
    case AudioFormat::kJson: {
      Json json = {{"text", TextOf(segments)}, {"usage", UsageJson(found.timings)}};
      if (call.logprobs) json["logprobs"] = LogprobsJson(engine, segments);
      response.body = Dumped(json);
      return response;
    }
    case AudioFormat::kVerboseJson:
      response.body = Dumped(VerboseJson(call, found));
      return response;
    case AudioFormat::kText:
      response.body = TextOf(segments) + "\n";
      break;
    case AudioFormat::kSrt:
      for (size_t i = 0; i < segments.size(); ++i) response.body += SrtCue(i, segments[i]);
      break;
    case AudioFormat::kVtt:
      response.body = kVttHead;
      for (const Segment& segment : segments) response.body += VttCue(segment);
      response.content_type = "text/vtt; charset=utf-8";
      return response;
  }
  response.content_type = "text/plain; charset=utf-8";
  return response;
}

// What is sent while the recording is heard. Its text is the sum of its deltas.
class Stream {
 public:
  Stream(const AudioCall& call, const Engine& engine, Exchange& exchange)
      : call_(call), engine_(engine), exchange_(exchange) {}

  bool begun() const { return begun_; }

  bool Begin() {
    begun_ = true;
    Headers headers = IgnoredHeader(call_.ignored);
    headers.emplace_back("Cache-Control", "no-store");
    headers.emplace_back("X-Accel-Buffering", "no");
    return exchange_.BeginStream(
        {.headers = headers, .content_type = "text/event-stream; charset=utf-8"});
  }

  bool Add(const Segment& segment, size_t index) {
    Json delta = {{"type", "transcript.text.delta"},
                  {"delta", (index > 0 ? " " : "") + segment.text}};
    if (call_.logprobs) delta["logprobs"] = LogprobsJson(engine_, {segment});
    return Put(EventFrame(Dumped({{"type", "transcript.text.segment"},
                                  {"id", std::to_string(index)},
                                  {"start", Rounded(segment.start_s)},
                                  {"end", Rounded(segment.end_s)},
                                  {"text", segment.text}})) +
               EventFrame(Dumped(delta)));
  }

  bool Moment() {
    if (exchange_.ClientIsGone()) return false;
    return !begun_ || Clock::now() < last_ + kSilence || Put(": ping\n\n");
  }

  void Finish(const Transcription& found) {
    Json done = {{"type", "transcript.text.done"}, {"text", TextOf(found.segments)}};
    if (call_.logprobs) done["logprobs"] = LogprobsJson(engine_, found.segments);
    done["usage"] = UsageJson(found.timings);
    Put(EventFrame(Dumped(done)));
  }

  void Fail(const Refusal& refusal) { Put(EventFrame(ErrorText(refusal))); }

 private:
  bool Put(const std::string& frames) {
    last_ = Clock::now();
    return exchange_.Write(frames);
  }

  const AudioCall& call_;
  const Engine& engine_;
  Exchange& exchange_;
  bool begun_ = false;
  Clock::time_point last_ = Clock::now();
};

// Counts one more as long as it lives.
class Place {
 public:
  Place(std::atomic<size_t>& taken, size_t most) : taken_(taken) {
    if (++taken_ <= most) return;
    --taken_;
    throw Refusal(Reason::kBusy,
                  std::to_string(most) + " recordings are being heard already; try again later");
  }
  ~Place() { --taken_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  std::atomic<size_t>& taken_;
};

}  // namespace

std::vector<Route> OpenAiAudio::Routes() {
  const auto route = [this](const char* path, bool translates) {
    return Route{
        .method = "POST",
        .pattern = path,
        .handle = [this, translates](const Request& request, const std::string&,
                                     Exchange& exchange) { Handle(request, translates, exchange); },
        .is_upload = true};
  };
  return {route("/v1/audio/transcriptions", false), route("/v1/audio/translations", true)};
}

void OpenAiAudio::Handle(const Request& request, bool translates, Exchange& exchange) {
  const MultipartForm& form = FormOf(request);
  const AudioCall call = ReadAudioCall(form, translates, service_);
  const FormFile& file = form.File("file");
  const Place place(under_way_, service_.options.limits.transcriptions);
  Stream stream(call, service_.engine, exchange);
  TranscriptionEvents events;
  events.on_moment = [&] { return stream.Moment(); };
  if (call.stream) {
    events.on_begin = [&] { return stream.Begin(); };
    events.on_segment = [&](const Segment& segment, size_t index) {
      return stream.Add(segment, index);
    };
  }
  try {
    const std::optional<Transcription> found =
        Transcribe(service_, {request.owner, request.peer}, *file.bytes, "file", call.work, events);
    if (!found) return;  // the client left
    if (call.stream) return stream.Finish(*found);
    exchange.Send(Whole(call, *found, service_.engine));
  } catch (...) {
    if (!stream.begun()) throw;
    stream.Fail(AsRefusal(std::current_exception()));
  }
}

}  // namespace gemma3n::server
