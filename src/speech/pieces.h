// SPDX-License-Identifier: Apache-2.0
// Sound of any length -> the pieces of it that hold speech, none longer than a model hears at once.
//
// A piece ends at a pause. Where there is none in time it ends at the quietest moment, and the next
// one begins a little before its end, so that a word that was cut is heard whole once. Memory is
// that of one piece.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "speech/voice_activity.h"

namespace gemma3n {

struct Piece {
  int64_t first_sample;  // since the beginning of the sound, at 16 kHz
  std::vector<float> samples;
  int64_t speech_begin,
      speech_end;   // samples, since the beginning: from the first to the last sound
  bool overlaps;    // begins before the last piece ended
  bool goes_on;     // the next piece begins before this one ends
  double likeness;  // SpeechLikeness of it
};

class PieceCutter {
 public:
  struct Options {
    double most_s = 30;    // longest piece
    double pause_s = 0.8;  // a pause of this length always ends a piece
    double full_s = 15;    // from this length on a short pause does
    double short_pause_s = 0.24;
    double overlap_s = 1.5;  // where there was no pause; at most a quarter of most_s
  };
  // Options: 0.5 <= most_s; 0 < short_pause_s <= pause_s.
  explicit PieceCutter(const Options& options);

  // Pieces that are complete now.
  std::vector<Piece> Push(std::span<const float> samples);
  std::vector<Piece> Finish();

  // What came before is not to be cut: the sound goes on from this sample. At the beginning.
  void BeginAt(int64_t sample) { begin_frame_ = sample / VoiceActivity::kFrame; }
  // Whether a piece is under way: somebody is speaking.
  bool in_piece() const { return in_piece_; }
  std::span<const float> under_way() const {
    return in_piece_ ? samples_ : std::span<const float>();
  }
  // What a piece under way would hold if nothing more came; no samples where it would be none.
  struct Heard {
    int64_t first_sample = 0;  // since the beginning of the sound
    std::span<const float> samples;
  };
  Heard heard() const;
  // Whether a piece under way seems to have ended.
  bool pausing() const;
  int64_t position() const { return begin_frame_ * VoiceActivity::kFrame + held(); }

 private:
  int64_t held() const { return static_cast<int64_t>(samples_.size()); }
  // Frames of a piece that ends before frame `end`, from its first to its last sound.
  struct Sounds {
    int64_t count = 0, first = 0, last = -1;
  };
  Sounds SoundsBefore(int64_t end) const;
  // The last `count` frames were no sound of interest.
  void TakeBack(int count);
  void Take(const VoiceFrame& frame, std::vector<Piece>& pieces);
  void EndPiece(int64_t end, bool goes_on, int64_t next, std::vector<Piece>& pieces);
  void CutWithoutPause(std::vector<Piece>& pieces);
  void DropBefore(int64_t frame);

  Options options_;
  VoiceActivity activity_;
  // Counted from the beginning of what is held; a piece under way begins there.
  std::vector<float> samples_;
  std::vector<VoiceFrame> frames_;
  int64_t begin_frame_ = 0;  // since the beginning of the sound
  bool in_piece_ = false, overlaps_ = false;
  int64_t last_active_ = -1;  // in frames_
};

}  // namespace gemma3n
