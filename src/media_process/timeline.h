// SPDX-License-Identifier: Apache-2.0
// A first walk over all packets, decoding none: how long the film really is, and which of its
// groups of pictures hold a frame we want. What a container declares is not believed.
#pragma once

#include <vector>

#include "media_process/film.h"
#include "media_process/frame_picker.h"
#include "media_process/job.h"

namespace gemma3n {

struct Timeline {
  double origin_s = 0;    // the first time stamp of the track we follow
  double duration_s = 0;  // to the end of its last packet, at most job.seconds
  // Video only: when each key frame shows, in the order of the file.
  std::vector<double> key_frames_s;
};

// Follows the video track, or the audio track when frames are not wanted.
Timeline ScanTimeline(Film& film, const Job& job);

// Whether packets after the k-th key frame (and up to the next one) must be decoded for the frames
// that `picker` wants. The groups before and after each target's own belong to it, since frames may
// refer, and the nearest frame may lie, across a border. Packets before the first key frame: k =
// -1.
std::vector<bool> WantedGroups(const Timeline& timeline, const FramePicker& picker);

// The same for all frames of a span.
std::vector<bool> GroupsWithin(const Timeline& timeline, double from_s, double to_s);

}  // namespace gemma3n
