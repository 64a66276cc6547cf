// SPDX-License-Identifier: Apache-2.0
// Packets -> decoded frames.
#pragma once

#include "media_process/libav.h"

namespace gemma3n {

// Sends a packet (null: the end) and calls take(frame) for each frame that comes out. Damaged
// packets are passed over; only a lack of memory is an error.
template <class Take>
void Decode(AVCodecContext& codec, const AVPacket* packet, AVFrame& frame, Take take) {
  for (;;) {
    const int sent = avcodec_send_packet(&codec, packet);
    if (sent == AVERROR(ENOMEM)) throw std::bad_alloc();
    for (;;) {
      const int got = avcodec_receive_frame(&codec, &frame);
      if (got == AVERROR(ENOMEM)) throw std::bad_alloc();
      if (got < 0) break;
      take(frame);
      av_frame_unref(&frame);
    }
    if (sent != AVERROR(EAGAIN)) return;
  }
}

}  // namespace gemma3n
