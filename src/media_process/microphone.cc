// SPDX-License-Identifier: Apache-2.0
#include "media_process/microphone.h"

#include <cstring>
#include <limits>

#include "media_process/devices.h"
#include "media_process/packets.h"
#include "media_process/sounds.h"

namespace gemma3n {
namespace {

constexpr int kPieceMs = 10;
constexpr int kPulseFragmentMs = 20;  // PulseAudio's own choice may be seconds

// What is asked for, in this order: a device that is not resampled by a plug-in takes few.
struct Shape {
  int rate_hz, channels;
};
constexpr Shape kShapes[] = {{48000, 2}, {48000, 1}, {44100, 2},
                             {44100, 1}, {16000, 1}, {16000, 2}};

}  // namespace

Microphone::Microphone(const Job& job) : job_(job) {
  Open(DeviceInput(job.format, {"alsa", "pulse"}));
  codec_ = OpenDecoder(*format_->streams[0], job);
  ReadPacket();
}

Microphone::~Microphone() {
  avformat_close_input(&format_);
}

void Microphone::Open(const AVInputFormat& input) {
  for (const Shape& shape : kShapes) {
    AVDictionary* options = nullptr;
    av_dict_set_int(&options, "sample_rate", shape.rate_hz, 0);
    av_dict_set_int(&options, "channels", shape.channels, 0);
    const int sample_bytes = 2;  // both hand over 16 bits
    av_dict_set_int(&options, "fragment_size",
                    shape.rate_hz * kPulseFragmentMs / 1000 * shape.channels * sample_bytes, 0);
    const int error = avformat_open_input(&format_, job_.device.c_str(), &input, &options);
    av_dict_free(&options);
    if (error == AVERROR(ENOMEM)) throw std::bad_alloc();
    if (error >= 0 && format_->nb_streams == 1) return;
    avformat_close_input(&format_);
  }
  throw DecoderError{DecoderFailure::kMicrophone, ""};
}

// Devices give as little as a sample at a time; all in packet_ is whole samples, one after another.
void Microphone::ReadPacket() {
  const AVCodecParameters& codec = *format_->streams[0]->codecpar;
  const int least_bytes = codec.sample_rate * kPieceMs / 1000 * codec.ch_layout.nb_channels *
                          av_get_bits_per_sample(codec.codec_id) / 8;
  const PacketPtr part = NewPacket();
  av_packet_unref(packet_.get());
  while (packet_->size < least_bytes) {
    const int error = av_read_frame(format_, part.get());
    if (error == AVERROR(EAGAIN)) continue;
    if (error == AVERROR(ENOMEM)) throw std::bad_alloc();
    if (error < 0) throw DecoderError{DecoderFailure::kMicrophoneLost, ""};
    const int had = packet_->size;
    if (av_grow_packet(packet_.get(), part->size) < 0) throw std::bad_alloc();
    std::memcpy(packet_->data + had, part->data, static_cast<size_t>(part->size));
    av_packet_unref(part.get());
  }
}

void Microphone::Record(RecordWriter& out) {
  out.Film({0, 0});
  constexpr double kEndless = std::numeric_limits<double>::max();
  SoundWriter writer(kEndless, kEndless, job_, out);
  const FramePtr frame = NewFrame();
  for (;;) {
    Decode(*codec_, packet_.get(), *frame, [&](AVFrame& sound) { writer.Write(sound, 0); });
    ReadPacket();
  }
}

}  // namespace gemma3n
