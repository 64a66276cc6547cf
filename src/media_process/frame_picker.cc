// SPDX-License-Identifier: Apache-2.0
#include "media_process/frame_picker.h"

#include <algorithm>
#include <cmath>

namespace gemma3n {
namespace {

constexpr double kRounding = 1e-6;  // of times, in seconds

}  // namespace

FramePicker::FramePicker(double from_s, double to_s, double fps, int max_frames)
    : from_s_(from_s), to_s_(to_s) {
  const double duration_s = to_s - from_s;
  // A hair less, so that a film of exactly n intervals has n targets whatever the rounding.
  const double wanted = std::max(1.0, std::ceil(duration_s * fps - kRounding));
  const bool all = wanted <= max_frames;
  const double interval_s = all ? 1 / fps : duration_s / max_frames;
  for (int i = 0; i < (all ? static_cast<int>(wanted) : max_frames); ++i)
    targets_s_.push_back(from_s + i * interval_s);
}

FramePicker::Choice FramePicker::Offer(double time_s) {
  if (!std::isfinite(time_s) || (have_last_ && time_s <= last_s_)) return {};
  Choice choice{.accepted = true};
  for (; next_ < count() && target_s(next_) <= time_s; ++next_) {
    const double target = target_s(next_);
    const bool nearer = last_s_ >= from_s_ - kRounding && target - last_s_ <= time_s - target;
    const bool previous = have_last_ && (nearer || time_s >= to_s_);
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
  next_ = count();
  return take;
}

}  // namespace gemma3n
