// SPDX-License-Identifier: Apache-2.0
// What a live session hears: bytes of sound as they come -> what is said in it, by voice detection
// or as the client says. Times count the sound that came, not the clock: they never drift.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "gemma3n/sound_stream.h"
#include "gemma3n/utterance.h"
#include "server/clips.h"

namespace gemma3n::server {

// When somebody speaks, and when no more.
struct Detection {
  double threshold = 0.5;  // [0, 1]: how loud and how much like speech it has to be
  int64_t prefix_ms = 300, silence_ms = 500;

  bool operator==(const Detection&) const = default;
};

struct EarEvent {
  enum class Kind {
    kBegin,    // somebody speaks, since at_ms
    kEnd,      // no more, since at_ms; `clips`: what was said
    kNone,     // in place of kEnd: it was no speech
    kDropped,  // more is held than may be: the oldest, up to at_ms, is forgotten
  };
  Kind kind;
  int64_t at_ms = 0;  // of all the sound that came
  Clips clips = {};
};

class Ear {
 public:
  static constexpr double kMostHeldSeconds = 30;

  // What is said is handed over in clips of at most so many seconds.
  explicit Ear(double most_clip_s) : most_clip_s_(most_clip_s) {}

  // Both only while nothing is held: what came before them is another sound.
  void SetFormat(const RawSound& raw);
  void SetDetection(const std::optional<Detection>& detection);  // nothing: the client says when

  std::vector<EarEvent> Push(std::string_view bytes);
  // Somebody has said something, if anything is held: all that is held without detection, with it
  // what is being said.
  std::vector<EarEvent> End();
  // Forgets what is held.
  void Clear();

  int64_t held_ms() const;
  int64_t now_ms() const { return InMs(heard_); }
  bool is_speaking() const { return utterances_ != nullptr && utterances_->under_way(); }
  bool detects() const { return utterances_ != nullptr; }

 private:
  static int64_t InMs(int64_t samples) { return samples / 16; }
  void Hear(std::vector<float> samples, std::vector<EarEvent>& events);
  void Detect(std::span<const float> samples, std::vector<EarEvent>& events);
  void Take(std::vector<UtteranceEvent> news, std::vector<EarEvent>& events);

  const double most_clip_s_;
  std::unique_ptr<SoundDecoder> decoder_;
  std::optional<Detection> detection_;
  RawSound raw_;
  double coming_ = 0;  // samples at 16 kHz that the decoder still has
  int64_t heard_ = 0;  // that it gave

  std::vector<float> held_;  // without detection: the last of what was heard
  bool dropping_ = false;    // some of it was dropped, and that is told

  std::unique_ptr<Utterances> utterances_;  // with it
  int64_t since_ = 0;                       // the first sample that they were given
  int64_t begin_ = 0;                       // of the one under way
};

}  // namespace gemma3n::server
