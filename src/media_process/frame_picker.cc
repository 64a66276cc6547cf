// SPDX-License-Identifier: Apache-2.0
#include "media_process/frame_picker.h"

#include <algorithm>
#include <cmath>

namespace gemma3n {

FramePicker::FramePicker(double duration_s, double fps, int max_frames) {
  // A hair less, so that a film of exactly n intervals has n targets whatever the rounding.
  const double wanted = std::max(1.0, std::ceil(duration_s * fps - 1e-6));
  if (wanted <= max_frames) {
    count_ = static_cast<int>(wanted);
    interval_s_ = 1 / fps;
  } else {
    count_ = max_frames;
    interval_s_ = duration_s / max_frames;
  }
}

FramePicker::Choice FramePicker::Offer(double time_s) {
  if (!std::isfinite(time_s) || (have_last_ && time_s <= last_s_)) return {};
  Choice choice{.accepted = true};
  for (; next_ < count_ && target_s(next_) <= time_s; ++next_) {
    const double target = target_s(next_);
    const bool previous = have_last_ && target - last_s_ <= time_s - target;
    if (previous && !last_taken_) choice.previous = last_taken_ = true;
    if (!previous) choice.current = true;
  }
  have_last_ = true;
  last_s_ = time_s;
  last_taken_ = choice.current;
  return choice;
}

bool FramePicker::TakeLast() {
  const bool take = !done() && have_last_ && !last_taken_;
  last_taken_ = last_taken_ || take;
  next_ = count_;
  return take;
}

}  // namespace gemma3n
