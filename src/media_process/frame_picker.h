// SPDX-License-Identifier: Apache-2.0
// Which of a film's frames are handed over. Times are seconds since the first frame. Targets are
// from, from + i, from + 2i, ... before the end of the span: i is 1 / fps, or what spreads
// max_frames evenly over a longer one; or they are given. Each target takes the decoded frame in
// the span that is nearest to it, the earlier of two equally near; where the span holds none, the
// one that is shown when it begins. No frame is taken twice.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace gemma3n {

class FramePicker {
 public:
  FramePicker(double from_s, double to_s, double fps, int max_frames);
  // `targets_s`: in order, within the span.
  FramePicker(std::vector<double> targets_s, double from_s, double to_s)
      : from_s_(from_s), to_s_(to_s), targets_s_(std::move(targets_s)) {}

  int count() const { return static_cast<int>(targets_s_.size()); }
  double target_s(int i) const { return targets_s_[static_cast<size_t>(i)]; }
  bool done() const { return next_ >= count(); }

  // Says what to hand over when a frame at `time_s` was decoded: the frame before it, this frame,
  // or both, in this order. A time that is not after the last one is not `accepted`: the frame is
  // to be forgotten.
  struct Choice {
    bool accepted = false;
    bool previous = false;
    bool current = false;
  };
  Choice Offer(double time_s);

  // At the end of the film: whether the last accepted frame serves what targets are left.
  bool TakeLast();

 private:
  double from_s_, to_s_;
  std::vector<double> targets_s_;
  int next_ = 0;
  bool have_last_ = false, last_taken_ = false;
  double last_s_ = 0;
};

}  // namespace gemma3n
