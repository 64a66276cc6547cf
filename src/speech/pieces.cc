// SPDX-License-Identifier: Apache-2.0
#include "speech/pieces.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "speech/speech_likeness.h"

namespace gemma3n {
namespace {

constexpr double kFrameSeconds =
    static_cast<double>(VoiceActivity::kFrame) / static_cast<double>(VoiceActivity::kRateHz);
constexpr int64_t kLead = 6;          // frames kept before the first sound: its soft beginning
constexpr int64_t kTail = 8;          // and after the last
constexpr int64_t kFewestActive = 4;  // less is a click
constexpr float kFaint = 32;          // decibel below the loudest frame: breath, a room's echo

int64_t Frames(double seconds) {
  return std::max<int64_t>(1, std::llround(seconds / kFrameSeconds));
}

// The middle of the longest run of frames without sound in [from, end): -1 where there is none.
int64_t MiddleOfLongestPause(const std::vector<VoiceFrame>& frames, int64_t from, int64_t end) {
  int64_t best = 0, middle = -1;
  for (int64_t i = from, run = 0; i < end; ++i) {
    run = frames[static_cast<size_t>(i)].active ? 0 : run + 1;
    if (run > best) {
      best = run;
      middle = i - run / 2;
    }
  }
  return best >= 3 ? middle : -1;
}

int64_t Quietest(const std::vector<VoiceFrame>& frames, int64_t from, int64_t end) {
  const auto quieter = [](const VoiceFrame& a, const VoiceFrame& b) {
    return a.decibel < b.decibel;
  };
  return std::min_element(frames.begin() + from, frames.begin() + end, quieter) - frames.begin();
}

}  // namespace

PieceCutter::PieceCutter(const Options& options) : options_(options) {
  CHECK(options.most_s >= 0.5);
  CHECK(0 < options.short_pause_s && options.short_pause_s <= options.pause_s);
  options_.overlap_s = std::min(options.overlap_s, options.most_s / 4);
  options_.full_s = std::min(options.full_s, options.most_s / 2);
}

void PieceCutter::DropBefore(int64_t frame) {
  frame = std::min<int64_t>(frame, static_cast<int64_t>(frames_.size()));
  if (frame <= 0) return;
  frames_.erase(frames_.begin(), frames_.begin() + frame);
  const int64_t samples = std::min(held(), frame * VoiceActivity::kFrame);
  samples_.erase(samples_.begin(), samples_.begin() + samples);
  begin_frame_ += frame;
}

PieceCutter::Sounds PieceCutter::SoundsBefore(int64_t end) const {
  const std::span<const VoiceFrame> frames = std::span(frames_).first(static_cast<size_t>(end));
  float loudest = -100;
  for (const VoiceFrame& frame : frames) loudest = std::max(loudest, frame.decibel);
  Sounds sounds;
  for (int64_t i = 0; i < end; ++i) {
    const VoiceFrame& frame = frames[static_cast<size_t>(i)];
    if (!frame.active || frame.decibel <= loudest - kFaint) continue;
    if (sounds.count++ == 0) sounds.first = i;
    sounds.last = i;
  }
  return sounds;
}

// The piece ends before frame `end`; what is held then begins at frame `next` and, where the speech
// goes on, is a piece under way again.
void PieceCutter::EndPiece(int64_t end, bool goes_on, int64_t next, std::vector<Piece>& pieces) {
  const Sounds sounds = SoundsBefore(end);
  if (sounds.count >= kFewestActive) {
    const int64_t first = sounds.first, last = sounds.last;
    // What goes on at an end is kept whole there.
    const int64_t from = overlaps_ ? 0 : std::max<int64_t>(0, first - kLead);
    const int64_t to = goes_on ? end : std::min(end, last + 1 + kTail);
    const int64_t begin = begin_frame_ * VoiceActivity::kFrame;
    pieces.push_back(
        {.first_sample = begin + from * VoiceActivity::kFrame,
         .samples = {samples_.begin() + from * VoiceActivity::kFrame,
                     samples_.begin() + std::min(held(), to * VoiceActivity::kFrame)},
         .speech_begin = begin + first * VoiceActivity::kFrame,
         .speech_end = begin + (last + 1) * VoiceActivity::kFrame,
         .overlaps = overlaps_,
         .goes_on = goes_on && next < end,
         .likeness = SpeechLikeness(std::span(frames_).first(static_cast<size_t>(end)))});
  }
  overlaps_ = goes_on && next < end;
  DropBefore(next);
  in_piece_ = false;
  last_active_ = -1;
  for (size_t i = 0; goes_on && i < frames_.size(); ++i) {
    if (!frames_[i].active) continue;
    in_piece_ = true;
    last_active_ = static_cast<int64_t>(i);
  }
  if (!in_piece_) overlaps_ = false;
}

void PieceCutter::CutWithoutPause(std::vector<Piece>& pieces) {
  const int64_t length = static_cast<int64_t>(frames_.size());
  const int64_t pause = MiddleOfLongestPause(frames_, length / 2, length);
  if (pause >= 0) return EndPiece(pause, true, pause, pieces);
  const int64_t overlap = Frames(options_.overlap_s);
  const int64_t end = Quietest(frames_, length - overlap, length) + 1;
  EndPiece(end, true, std::max<int64_t>(1, end - overlap), pieces);
}

void PieceCutter::TakeBack(int count) {
  const size_t held = frames_.size();
  for (size_t i = held - std::min(held, static_cast<size_t>(count)); i < held; ++i) {
    frames_[i].active = false;
  }
  while (last_active_ >= 0 && !frames_[static_cast<size_t>(last_active_)].active) --last_active_;
  in_piece_ = last_active_ >= 0;
  if (!in_piece_) overlaps_ = false;
}

void PieceCutter::Take(const VoiceFrame& frame, std::vector<Piece>& pieces) {
  if (frame.taken_back > 0) TakeBack(frame.taken_back);
  frames_.push_back(frame);
  const int64_t length = static_cast<int64_t>(frames_.size());
  if (frame.active) {
    in_piece_ = true;
    last_active_ = length - 1;
  }
  if (!in_piece_) return DropBefore(length - kLead);
  const int64_t silent = length - 1 - last_active_;
  const bool full = length - silent >= Frames(options_.full_s);
  if (silent >= Frames(full ? options_.short_pause_s : options_.pause_s)) {
    // The next piece's lead may reach back to this one's end, not further.
    const int64_t end = std::min(length, last_active_ + 1 + kTail);
    return EndPiece(end, false, std::max(end, length - kLead), pieces);
  }
  if (length >= static_cast<int64_t>(options_.most_s / kFrameSeconds)) CutWithoutPause(pieces);
}

PieceCutter::Heard PieceCutter::heard() const {
  if (!in_piece_) return {};
  const Sounds sounds = SoundsBefore(static_cast<int64_t>(frames_.size()));
  if (sounds.count < kFewestActive) return {};
  const int64_t from =
      overlaps_ ? 0 : std::max<int64_t>(0, sounds.first - kLead) * VoiceActivity::kFrame;
  const int64_t to = std::min(held(), (sounds.last + 1 + kTail) * VoiceActivity::kFrame);
  return {begin_frame_ * VoiceActivity::kFrame + from,
          std::span(samples_).subspan(static_cast<size_t>(from), static_cast<size_t>(to - from))};
}

bool PieceCutter::pausing() const {
  return in_piece_ && static_cast<int64_t>(frames_.size()) > last_active_ + 1 + kTail;
}

std::vector<Piece> PieceCutter::Push(std::span<const float> samples) {
  std::vector<Piece> pieces;
  // A frame at a time: what a piece takes must be held when its last frame is judged, not more.
  for (size_t begin = 0; begin < samples.size();) {
    const size_t into = samples_.size() % VoiceActivity::kFrame;
    const size_t count =
        std::min(samples.size() - begin, static_cast<size_t>(VoiceActivity::kFrame) - into);
    const std::span<const float> part = samples.subspan(begin, count);
    for (float sample : part) samples_.push_back(std::isfinite(sample) ? sample : 0.0f);
    const std::span<const float> taken = std::span(samples_).last(count);
    for (const VoiceFrame& frame : activity_.Push(taken)) Take(frame, pieces);
    begin += count;
  }
  return pieces;
}

std::vector<Piece> PieceCutter::Finish() {
  std::vector<Piece> pieces;
  if (in_piece_) {
    const int64_t length = static_cast<int64_t>(frames_.size());
    EndPiece(std::min(length, last_active_ + 1 + kTail), false, length, pieces);
  }
  return pieces;
}

}  // namespace gemma3n
