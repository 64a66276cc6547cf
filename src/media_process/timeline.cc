// SPDX-License-Identifier: Apache-2.0
#include "media_process/timeline.h"

#include <algorithm>
#include <cmath>

namespace gemma3n {
namespace {

constexpr double kLongestGuess = 10;  // seconds

}  // namespace

Timeline ScanTimeline(Film& film, const Job& job) {
  const AVStream* track = film.video() != nullptr ? film.video() : film.audio();
  const bool video = film.video() != nullptr;
  Timeline timeline;
  bool have_origin = false;
  double first = 0, end = 0, last = 0, next = 0;
  const PacketPtr packet = NewPacket();
  while (film.Read(*packet)) {
    if (packet->stream_index != track->index) continue;
    double time = SecondsOf(packet->pts, track->time_base);
    if (!std::isfinite(time)) time = SecondsOf(packet->dts, track->time_base);
    if (!std::isfinite(time)) time = next;
    double length = SecondsOf(packet->duration, track->time_base);
    // Where packets do not say how long they last, as long as the one before.
    if (!(length > 0)) length = std::clamp(time - last, 0.0, kLongestGuess);
    last = time;
    next = time + length;
    if (video && (packet->flags & AV_PKT_FLAG_KEY) != 0) timeline.key_frames_s.push_back(time);
    if (!have_origin) first = time, end = next;
    have_origin = true;
    if (std::abs(time - first) > job.seconds) continue;  // a jump, or past what we look at
    timeline.origin_s = std::min(first, time);
    first = timeline.origin_s;
    end = std::max(end, next);
  }
  timeline.origin_s = first;
  timeline.duration_s = std::clamp(end - first, 0.0, job.seconds);
  for (double& key : timeline.key_frames_s) key -= timeline.origin_s;
  return timeline;
}

std::vector<bool> GroupsWithin(const Timeline& timeline, double from_s, double to_s) {
  const auto& keys = timeline.key_frames_s;
  // Without order among key frames nothing can be said about where a time lies.
  if (!std::is_sorted(keys.begin(), keys.end())) return std::vector<bool>(keys.size(), true);
  const auto group_of = [&](double time_s) {
    return std::max<ptrdiff_t>(
        0, std::upper_bound(keys.begin(), keys.end(), time_s) - keys.begin() - 1);
  };
  std::vector<bool> wanted(keys.size(), false);
  for (ptrdiff_t k = group_of(from_s) - 1; k <= group_of(to_s) + 1; ++k)
    if (k >= 0 && k < static_cast<ptrdiff_t>(keys.size())) wanted[static_cast<size_t>(k)] = true;
  return wanted;
}

std::vector<bool> WantedGroups(const Timeline& timeline, const FramePicker& picker) {
  std::vector<bool> wanted(timeline.key_frames_s.size(), false);
  for (int i = 0; i < picker.count(); ++i) {
    const std::vector<bool> near = GroupsWithin(timeline, picker.target_s(i), picker.target_s(i));
    for (size_t k = 0; k < wanted.size(); ++k) wanted[k] = wanted[k] || near[k];
  }
  return wanted;
}

}  // namespace gemma3n
