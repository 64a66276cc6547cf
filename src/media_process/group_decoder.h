// SPDX-License-Identifier: Apache-2.0
// Packets of a video track -> frames of those groups of pictures that are wanted.
#pragma once

#include <functional>
#include <vector>

#include "media_process/film.h"
#include "media_process/job.h"
#include "media_process/libav.h"

namespace gemma3n {

class GroupDecoder {
 public:
  using TakeFrame = std::function<void(AVFrame&)>;

  // `wanted`: as WantedGroups has it. Throws DecoderError(kCodec).
  GroupDecoder(const AVStream& stream, const Job& job, std::vector<bool> wanted)
      : codec_(OpenDecoder(stream, job)), wanted_(std::move(wanted)) {}

  void Take(const AVPacket& packet, const TakeFrame& take);
  void Finish(const TakeFrame& take);

 private:
  CodecContextPtr codec_;
  std::vector<bool> wanted_;
  FramePtr frame_ = NewFrame();
  ptrdiff_t group_ = -1;
  bool skipping_ = false;
};

// Seconds since `origin_s`; where a frame has no time stamp, the time after `last_s`, which is less
// than 0 before the first.
double PictureTime(const AVFrame& frame, const AVStream& stream, double origin_s, double last_s);

}  // namespace gemma3n
