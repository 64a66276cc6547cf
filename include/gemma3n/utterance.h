// SPDX-License-Identifier: Apache-2.0
// Sound as it is heard -> what is said in it, one utterance after another, each with its samples
// while it is still being said. docs/chat.md.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "gemma3n/media.h"

namespace gemma3n {

struct UtteranceOptions {
  double most_s = 30;    // a longer one ends there, and what follows is another
  double pause_s = 0.7;  // silence that ends one
  double may_end_s = 0.2;
  double lead_s =
      0.12;  // of the sound before its beginning that belongs to it: at most 5, and most_s / 2
  // Nothing quieter than this is speech, decibel of full scale, [-100, 0].
  double least_decibel = -100;
  // A sound that is less like speech than this is none, [0, 1]; 0: every sound is one.
  double least_likeness = 0.3;
};

struct UtteranceEvent {
  enum class Kind {
    kBegin,   // somebody speaks: `samples` from a little before the first sound on
    kMore,    // the samples that follow
    kMayEnd,  // a pause of may_end_s; kMore follows if it was none
    kEnd,     // `clip`: all samples since kBegin. Of the pause that ended it only the beginning
    kNone,    // in place of kEnd: what began was no speech
  };
  Kind kind;
  std::vector<float> samples;
  std::shared_ptr<const AudioClip> clip;
};

// Samples at 16 kHz, one channel. How the sound is cut into calls changes nothing but how
// many kMore there are. One thread at a time.
class Utterances {
 public:
  // Throws Error (kUsage) for options out of range.
  static std::unique_ptr<Utterances> New(const UtteranceOptions& options = {});
  virtual ~Utterances() = default;

  virtual std::vector<UtteranceEvent> Push(std::span<const float> samples) = 0;
  // The sound has ended, and an utterance under way with it.
  virtual std::vector<UtteranceEvent> Finish() = 0;
  // Whether one is under way.
  virtual bool under_way() const = 0;

  // From now on, or no more, our own voice comes from a loudspeaker and may be heard. Nothing here
  // can tell it from another's but by how loud it is: what is heard in the first 1.5 seconds is
  // taken for it, and then an utterance begins only with 0.3 s of voice that is 6 decibels louder.
  // An utterance under way goes on as before. "No more" holds half a second later, when the echo of
  // the voice has gone.
  virtual void BesideOwnVoice(bool speaking) = 0;
};

}  // namespace gemma3n
