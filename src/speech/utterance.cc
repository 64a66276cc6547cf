// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/utterance.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "gemma3n/error.h"
#include "speech/speech_likeness.h"
#include "speech/voice_activity.h"

namespace gemma3n {
namespace {

constexpr int64_t kFrame = VoiceActivity::kFrame;
constexpr double kFramesPerSecond =
    static_cast<double>(VoiceActivity::kRateHz) / static_cast<double>(kFrame);

int64_t Frames(double seconds) {
  return std::llround(seconds * kFramesPerSecond);
}

constexpr int64_t kTail = 8;       // frames after the last sound: its soft end
constexpr int64_t kToBegin = 4;    // active frames, less is a click,
constexpr size_t kOfLate = 10;     // among so many
constexpr int64_t kLearning = 75;  // frames of our own voice
// To begin beside it: voiced or not, so many frames, this much louder, among so many.
constexpr int64_t kToInterrupt = 15;
constexpr size_t kOfLateInterrupt = 25;
constexpr float kLouder = 6;   // decibel
constexpr int64_t kEcho = 25;  // frames: its sound ends later than the program that makes it

class Cutter : public Utterances {
 public:
  explicit Cutter(const UtteranceOptions& options)
      : options_(options),
        most_(static_cast<int64_t>(options.most_s * kFramesPerSecond)),
        pause_(Frames(options.pause_s)),
        may_end_(Frames(options.may_end_s)),
        lead_(static_cast<size_t>(Frames(options.lead_s))) {}

  std::vector<UtteranceEvent> Push(std::span<const float> samples) override {
    std::vector<UtteranceEvent> events;
    while (!samples.empty()) {
      const size_t missing = static_cast<size_t>(kFrame) - frame_.size();
      const size_t count = std::min(samples.size(), missing);
      for (float sample : samples.first(count)) {
        frame_.push_back(std::isfinite(sample) ? sample : 0.0f);
      }
      samples = samples.subspan(count);
      if (frame_.size() < static_cast<size_t>(kFrame)) break;
      VoiceFrame judged = activity_.Push(frame_).front();
      judged.active = judged.active && judged.decibel >= options_.least_decibel;
      under_way_ ? GoOn(judged, events) : Wait(judged, events);
      if (echo_left_ > 0 && --echo_left_ == 0) ForgetOwnVoice();
      frame_.clear();
    }
    return events;
  }

  std::vector<UtteranceEvent> Finish() override {
    std::vector<UtteranceEvent> events;
    if (under_way_) End(events);
    frame_.clear();
    return events;
  }

  bool under_way() const override { return under_way_; }

  void BesideOwnVoice(bool speaking) override {
    if (!speaking) {
      if (own_voice_ && echo_left_ == 0) echo_left_ = kEcho;
      return;
    }
    own_voice_ = true;
    own_frames_ = echo_left_ = 0;
    own_decibel_ = -100;
    Forget();
  }

 private:
  struct Waiting {
    std::vector<float> samples;
    VoiceFrame judged;
  };

  void Forget() {
    for (Waiting& one : waiting_) one.judged.active = false;
  }

  void ForgetOwnVoice() {
    for (Waiting& one : waiting_) one.judged.active = Counts(one);
    own_voice_ = false;
  }

  // The frames of late: among them must be enough that count for somebody to have begun.
  size_t OfLateFrom() const {
    const size_t count = own_voice_ ? kOfLateInterrupt : kOfLate;
    return waiting_.size() - std::min(count, waiting_.size());
  }
  bool Counts(const Waiting& one) const {
    return one.judged.active && (!own_voice_ || one.judged.decibel > own_decibel_ + kLouder);
  }
  bool Begins() const {
    const int64_t count =
        std::count_if(waiting_.begin() + static_cast<ptrdiff_t>(OfLateFrom()), waiting_.end(),
                      [this](const Waiting& one) { return Counts(one); });
    return count >= (own_voice_ ? kToInterrupt : kToBegin);
  }

  void Wait(const VoiceFrame& judged, std::vector<UtteranceEvent>& events) {
    // A hiss that went on: it was no beginning.
    if (judged.taken_back > 0) Forget();
    waiting_.push_back({frame_, judged});
    if (waiting_.size() > lead_ + std::max(kOfLate, kOfLateInterrupt)) waiting_.pop_front();
    if (own_voice_ && own_frames_ < kLearning) {
      ++own_frames_;
      own_decibel_ = std::max(own_decibel_, judged.decibel);
    }
    if (Begins()) Begin(events);
  }

  void Begin(std::vector<UtteranceEvent>& events) {
    size_t from = OfLateFrom();
    while (!Counts(waiting_[from])) ++from;
    under_way_ = true;
    frames_.clear();
    held_.clear();
    clip_.clear();
    last_active_ = 0;
    UtteranceEvent event{.kind = UtteranceEvent::Kind::kBegin, .samples = {}, .clip = nullptr};
    for (size_t i = from - std::min(from, lead_); i < waiting_.size(); ++i) {
      const std::vector<float>& samples = waiting_[i].samples;
      event.samples.insert(event.samples.end(), samples.begin(), samples.end());
      frames_.push_back(waiting_[i].judged);
      if (waiting_[i].judged.active) last_active_ = Now();
    }
    waiting_.clear();
    clip_ = event.samples;
    events.push_back(std::move(event));
  }

  int64_t Now() const { return static_cast<int64_t>(frames_.size()) - 1; }

  void GoOn(const VoiceFrame& judged, std::vector<UtteranceEvent>& events) {
    if (judged.taken_back > 0) TakeBack(judged.taken_back);
    frames_.push_back(judged);
    held_.insert(held_.end(), frame_.begin(), frame_.end());
    if (judged.active) last_active_ = Now();
    // What comes after its tail is held back: it belongs to the utterance only if that goes on.
    const int64_t silent = Now() - last_active_;
    if (silent <= kTail) GiveHeld(events);
    if (silent == may_end_) events.push_back({UtteranceEvent::Kind::kMayEnd, {}, nullptr});
    if (silent >= pause_ || Now() + 1 >= most_) End(events);
  }

  void GiveHeld(std::vector<UtteranceEvent>& events) {
    clip_.insert(clip_.end(), held_.begin(), held_.end());
    if (events.empty() || events.back().kind != UtteranceEvent::Kind::kMore) {
      events.push_back({UtteranceEvent::Kind::kMore, {}, nullptr});
    }
    std::vector<float>& samples = events.back().samples;
    samples.insert(samples.end(), held_.begin(), held_.end());
    held_.clear();
  }

  void TakeBack(int count) {
    const size_t held = frames_.size();
    for (size_t i = held - std::min(held, static_cast<size_t>(count)); i < held; ++i) {
      frames_[i].active = false;
    }
    while (last_active_ > 0 && !frames_[static_cast<size_t>(last_active_)].active) --last_active_;
  }

  void End(std::vector<UtteranceEvent>& events) {
    under_way_ = false;
    const auto spoken = std::span(frames_).first(static_cast<size_t>(last_active_ + 1));
    const int64_t active = std::count_if(spoken.begin(), spoken.end(),
                                         [](const VoiceFrame& frame) { return frame.active; });
    const bool speech = active >= kToBegin && SpeechLikeness(spoken) >= options_.least_likeness;
    UtteranceEvent event{UtteranceEvent::Kind::kNone, {}, nullptr};
    if (speech) {
      event.kind = UtteranceEvent::Kind::kEnd;
      event.clip = std::make_shared<const AudioClip>(AudioClip{std::exchange(clip_, {})});
    }
    events.push_back(std::move(event));
    frames_.clear();
    held_.clear();
    clip_.clear();
  }

  const UtteranceOptions options_;
  const int64_t most_, pause_, may_end_;  // frames
  const size_t lead_;
  VoiceActivity activity_;
  std::vector<float> frame_;  // not complete yet

  std::deque<Waiting> waiting_;  // of late, while nobody speaks
  bool own_voice_ = false;
  int64_t own_frames_ = 0, echo_left_ = 0;
  float own_decibel_ = -100;

  bool under_way_ = false;
  std::vector<VoiceFrame> frames_;  // since its beginning
  std::vector<float> clip_, held_;
  int64_t last_active_ = 0;  // in frames_
};

}  // namespace

std::unique_ptr<Utterances> Utterances::New(const UtteranceOptions& options) {
  const auto within = [](double value, double least, double most) {
    return value >= least && value <= most;
  };
  if (!within(options.most_s, 1, 3600) || !within(options.pause_s, 0.1, 60) ||
      !within(options.may_end_s, 0.02, options.pause_s) || !within(options.least_likeness, 0, 1) ||
      !within(options.lead_s, 0, std::min(5.0, options.most_s / 2)) ||
      !within(options.least_decibel, -100, 0)) {
    throw Error(ErrorKind::kUsage,
                "utterances: expected at least 1 s, a pause of 0.1 to 60 s, not shorter than one "
                "that may end them, a lead of 0 to 5 s and half of the longest, a level of -100 to "
                "0 decibel, and a "
                "likeness in [0, 1]");
  }
  return std::make_unique<Cutter>(options);
}

}  // namespace gemma3n
