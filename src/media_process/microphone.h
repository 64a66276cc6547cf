// SPDX-License-Identifier: Apache-2.0
// Sound from ALSA or PulseAudio, by libavdevice.
#pragma once

#include "media_process/film.h"
#include "media_process/job.h"
#include "media_process/libav.h"
#include "media_process/records.h"

namespace gemma3n {

class Microphone {
 public:
  // Opens job.device and waits for its first sound; to be done before the sandbox is entered, which
  // allows no more than to go on with what is open. Throws DecoderError.
  explicit Microphone(const Job& job);
  ~Microphone();
  Microphone(const Microphone&) = delete;
  Microphone& operator=(const Microphone&) = delete;

  // Writes kFilm, then sound until the device fails: throws DecoderError(kMicrophoneLost).
  void Record(RecordWriter& out);

 private:
  void Open(const AVInputFormat& input);
  void ReadPacket();

  const Job& job_;
  AVFormatContext* format_ = nullptr;
  PacketPtr packet_ = NewPacket();
  CodecContextPtr codec_;
};

}  // namespace gemma3n
