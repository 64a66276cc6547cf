// SPDX-License-Identifier: Apache-2.0
#include "server/live/ear.h"

#include <algorithm>
#include <utility>

namespace gemma3n::server {
namespace {

constexpr int64_t kRateHz = 16000;
constexpr int64_t kFrame = 320;  // samples: how finely utterances are told

UtteranceOptions OptionsOf(const Detection& detection) {
  UtteranceOptions options{.most_s = Ear::kMostHeldSeconds};
  options.pause_s = static_cast<double>(detection.silence_ms) / 1000;
  options.may_end_s = std::min(options.may_end_s, options.pause_s);
  options.lead_s = static_cast<double>(detection.prefix_ms) / 1000;
  // In the middle it is what the detector does by itself.
  options.least_likeness = 0.6 * detection.threshold;
  if (detection.threshold > 0.5) options.least_decibel = -55 + 60 * (detection.threshold - 0.5);
  return options;
}

}  // namespace

void Ear::SetFormat(const RawSound& raw) {
  decoder_ = SoundDecoder::New(raw);
  raw_ = raw;
  coming_ = 0;
}

void Ear::SetDetection(const std::optional<Detection>& detection) {
  if (detection) utterances_ = Utterances::New(OptionsOf(*detection));
  if (!detection) utterances_ = nullptr;
  detection_ = detection;
  since_ = heard_;
  held_.clear();
  dropping_ = false;
}

std::vector<EarEvent> Ear::Push(std::string_view bytes) {
  std::vector<EarEvent> events;
  std::vector<float> samples;
  decoder_->Push({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, samples);
  const double bytes_a_second = raw_.rate_hz * (raw_.format == RawSound::Format::kS16 ? 2.0 : 1.0);
  coming_ += static_cast<double>(bytes.size()) * kRateHz / bytes_a_second -
             static_cast<double>(samples.size());
  Hear(std::move(samples), events);
  return events;
}

void Ear::Hear(std::vector<float> samples, std::vector<EarEvent>& events) {
  if (utterances_ != nullptr) {
    Detect(samples, events);
    return;
  }
  heard_ += static_cast<int64_t>(samples.size());
  held_.insert(held_.end(), samples.begin(), samples.end());
  const auto most = static_cast<size_t>(kMostHeldSeconds * kRateHz);
  if (held_.size() <= most) return;
  held_.erase(held_.begin(), held_.end() - static_cast<ptrdiff_t>(most));
  if (!dropping_) {
    events.push_back({EarEvent::Kind::kDropped, InMs(heard_ - static_cast<int64_t>(most))});
  }
  dropping_ = true;
}

// Frame by frame, so that it is known where what happens happens.
void Ear::Detect(std::span<const float> samples, std::vector<EarEvent>& events) {
  while (!samples.empty()) {
    const auto to_frame = static_cast<size_t>(kFrame - (heard_ - since_) % kFrame);
    const auto piece = samples.first(std::min(samples.size(), to_frame));
    samples = samples.subspan(piece.size());
    heard_ += static_cast<int64_t>(piece.size());
    Take(utterances_->Push(piece), events);
  }
}

void Ear::Take(std::vector<UtteranceEvent> news, std::vector<EarEvent>& events) {
  for (UtteranceEvent& one : news) {
    switch (one.kind) {
      case UtteranceEvent::Kind::kBegin:
        begin_ = heard_ - static_cast<int64_t>(one.samples.size());
        events.push_back({EarEvent::Kind::kBegin, InMs(begin_)});
        break;
      case UtteranceEvent::Kind::kEnd: {
        const int64_t end = begin_ + static_cast<int64_t>(one.clip->samples.size());
        events.push_back(
            {EarEvent::Kind::kEnd, InMs(end), CutClips(one.clip->samples, most_clip_s_)});
        break;
      }
      case UtteranceEvent::Kind::kNone:
        events.push_back({EarEvent::Kind::kNone, InMs(heard_)});
        break;
      case UtteranceEvent::Kind::kMore:
      case UtteranceEvent::Kind::kMayEnd:
        break;
    }
  }
}

std::vector<EarEvent> Ear::End() {
  std::vector<EarEvent> events;
  std::vector<float> rest;
  decoder_->Finish(rest);
  coming_ = 0;
  Hear(std::move(rest), events);
  if (utterances_ != nullptr) {
    Take(utterances_->Finish(), events);
    since_ = heard_;
  } else if (!held_.empty()) {
    events.push_back(
        {EarEvent::Kind::kEnd, InMs(heard_), CutClips(std::exchange(held_, {}), most_clip_s_)});
    dropping_ = false;
  }
  return events;
}

void Ear::Clear() {
  std::vector<EarEvent> unheard;
  std::vector<float> rest;
  decoder_->Finish(rest);
  coming_ = 0;
  Hear(std::move(rest), unheard);
  SetDetection(detection_);
}

int64_t Ear::held_ms() const {
  if (utterances_ != nullptr) return is_speaking() ? InMs(heard_ - begin_) : 0;
  return InMs(static_cast<int64_t>(static_cast<double>(held_.size()) + std::max(0.0, coming_)));
}

}  // namespace gemma3n::server
