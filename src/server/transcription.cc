// SPDX-License-Identifier: Apache-2.0
#include "server/transcription.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "gemma3n/error.h"
#include "gemma3n/sound_stream.h"
#include "server/piece_answers.h"

namespace gemma3n::server {
namespace {

constexpr double kRate = 16000;

class Recording {
 public:
  Recording(const Service& service, const Asker& asker, const std::string& param,
            const TranscriptionRequest& request, const TranscriptionEvents& events)
      : service_(service),
        most_seconds_(service.options.limits.transcription_seconds),
        param_(param),
        request_(request),
        events_(events),
        transcriber_(NewTranscriber(asker)) {
    transcriber_->OnText([this](const std::string&) { return GoesOn(); });
  }

  std::optional<Transcription> Hear(const Spool& file) {
    Open(file);
    std::vector<float> samples(16000);
    size_t count = Read(samples);
    if (events_.on_begin && !events_.on_begin()) return std::nullopt;
    for (; count > 0; count = Read(samples)) {
      const std::span<const float> heard = std::span(samples).first(count);
      if (!GoesOn() || !transcriber_->Push(heard, TakeSegment())) return std::nullopt;
      KeepBeginning(heard);
    }
    if (!transcriber_->Finish(TakeSegment())) return std::nullopt;
    found_.language = request_.language;
    if (request_.tell_language && found_.language.empty() && !found_.segments.empty()) {
      found_.language = transcriber_->DetectLanguage(beginning_);
    }
    found_.timings = transcriber_->timings();
    found_.duration_s = found_.timings.heard_s;
    return std::move(found_);
  }

 private:
  std::unique_ptr<Transcriber> NewTranscriber(const Asker& asker) const {
    if (!service_.engine.facts().hears) {
      throw Refusal(Reason::kUnsupportedValue, param_ + ": this model does not hear", param_);
    }
    try {
      return Transcriber::New(service_.engine.shared_from_this(), request_.speech,
                              std::make_unique<PieceAnswers>(service_.worker, asker));
    } catch (const Error& error) {
      throw Refusal(Reason::kInvalidValue, error.what());
    }
  }

  bool GoesOn() const { return !events_.on_moment || events_.on_moment(); }

  template <class Function>
  auto Decoding(const Function& function) const {
    try {
      return function();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kMedia) throw;
      throw Refusal(Reason::kInvalidAudio, error.what(), param_);
    }
  }

  void Open(const Spool& file) {
    MediaOptions options;
    options.limits = service_.options.limits.media;
    options.limits.sound_stream_bytes = options.limits.sound_file_bytes;
    // We count ourselves; this is for what claims to go on without end.
    options.limits.sound_stream_seconds = most_seconds_ + 60;
    lseek(file.descriptor(), 0, SEEK_SET);
    sound_ = Decoding(
        [&] { return SoundStream::OpenDescriptor(file.descriptor(), param_, {}, options); });
    if (sound_->duration_s() > most_seconds_) ThrowTooLong();
  }

  size_t Read(std::span<float> samples) {
    const size_t count = Decoding([&] { return sound_->Read(samples); });
    read_ += count;
    if (static_cast<double>(read_) > most_seconds_ * kRate) ThrowTooLong();
    return count;
  }

  [[noreturn]] void ThrowTooLong() const {
    throw Refusal(Reason::kTooLarge,
                  param_ + ": longer than " + std::to_string(std::llround(most_seconds_)) +
                      " seconds, the most this server writes down at once",
                  param_);
  }

  // By which the language is told.
  void KeepBeginning(std::span<const float> heard) {
    if (!request_.tell_language) return;
    const size_t most = static_cast<size_t>(service_.engine.facts().max_clip_seconds * kRate);
    const size_t count = std::min(heard.size(), most - beginning_.size());
    beginning_.insert(beginning_.end(), heard.begin(),
                      heard.begin() + static_cast<ptrdiff_t>(count));
  }

  SegmentCallback TakeSegment() {
    return [this](Segment segment) {
      // A film's sound may begin before or after its first picture, where its clock begins.
      segment.start_s = std::max(0.0, segment.start_s + sound_->start_s());
      segment.end_s = std::max(segment.start_s, segment.end_s + sound_->start_s());
      found_.segments.push_back(std::move(segment));
      return !events_.on_segment ||
             events_.on_segment(found_.segments.back(), found_.segments.size() - 1);
    };
  }

  const Service& service_;
  const double most_seconds_;
  const std::string& param_;
  const TranscriptionRequest& request_;
  const TranscriptionEvents& events_;
  std::unique_ptr<SoundStream> sound_;
  uint64_t read_ = 0;
  std::vector<float> beginning_;
  Transcription found_;
  std::unique_ptr<Transcriber> transcriber_;
};

}  // namespace

std::optional<Transcription> Transcribe(const Service& service, const Asker& asker,
                                        const Spool& sound, const std::string& param,
                                        const TranscriptionRequest& request,
                                        const TranscriptionEvents& events) {
  service.worker.CheckTaking();
  return Recording(service, asker, param, request, events).Hear(sound);
}

std::string ContextHint(const std::string& prompt) {
  return prompt.empty() ? "" : "\nContext: " + prompt;
}

std::string TextOf(const std::vector<Segment>& segments) {
  std::string text;
  for (const Segment& segment : segments) text += (text.empty() ? "" : " ") + segment.text;
  return text;
}

}  // namespace gemma3n::server
