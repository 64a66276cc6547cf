// SPDX-License-Identifier: Apache-2.0
// FFmpeg's C interface with owners for its objects.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>
}

#include <memory>
#include <new>

namespace gemma3n {

struct FreeFrame {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};
struct FreeCodecContext {
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
};
using FramePtr = std::unique_ptr<AVFrame, FreeFrame>;
using PacketPtr = std::unique_ptr<AVPacket, FreePacket>;
using CodecContextPtr = std::unique_ptr<AVCodecContext, FreeCodecContext>;

template <class Pointer>
Pointer OrNoMemory(Pointer pointer) {
  if (!pointer) throw std::bad_alloc();
  return pointer;
}

inline FramePtr NewFrame() {
  return OrNoMemory(FramePtr(av_frame_alloc()));
}
inline PacketPtr NewPacket() {
  return OrNoMemory(PacketPtr(av_packet_alloc()));
}

}  // namespace gemma3n
