// SPDX-License-Identifier: Apache-2.0
#include "media_process/group_decoder.h"

#include <algorithm>
#include <cmath>

#include "media_process/packets.h"

namespace gemma3n {
namespace {

// Where a film has no time stamps: its declared rate, else 25 frames a second.
double FrameSeconds(const AVStream& stream) {
  const AVRational rate = stream.avg_frame_rate;
  return rate.num > 0 && rate.den > 0 ? static_cast<double>(rate.den) / rate.num : 0.04;
}

}  // namespace

double PictureTime(const AVFrame& frame, const AVStream& stream, double origin_s, double last_s) {
  const double time = SecondsOf(frame.best_effort_timestamp, stream.time_base) - origin_s;
  if (!std::isfinite(time)) return last_s < 0 ? 0 : last_s + FrameSeconds(stream);
  return std::max(time, 0.0);
}

void GroupDecoder::Take(const AVPacket& packet, const TakeFrame& take) {
  if ((packet.flags & AV_PKT_FLAG_KEY) != 0) ++group_;
  const bool wanted = group_ < 0 || static_cast<size_t>(group_) >= wanted_.size() ||
                      wanted_[static_cast<size_t>(group_)];
  if (!wanted) {
    if (!skipping_) Decode(*codec_, nullptr, *frame_, take);
    skipping_ = true;
    return;
  }
  if (skipping_) avcodec_flush_buffers(codec_.get());
  skipping_ = false;
  Decode(*codec_, &packet, *frame_, take);
}

void GroupDecoder::Finish(const TakeFrame& take) {
  if (!skipping_) Decode(*codec_, nullptr, *frame_, take);
}

}  // namespace gemma3n
