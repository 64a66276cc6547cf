// SPDX-License-Identifier: Apache-2.0
// Pictures from a camera of Video4Linux or a screen of an X server, by libavdevice.
#pragma once

#include <deque>
#include <string>

#include "media_process/job.h"
#include "media_process/libav.h"
#include "media_process/records.h"

namespace gemma3n {

// Whether the job is for one of these.
bool IsPictureDevice(const Job& job);

class PictureDevice {
 public:
  // Opens job.device and waits for its first pictures; to be done before the sandbox is entered,
  // which allows no more than to go on with what is open. Throws DecoderError.
  explicit PictureDevice(const Job& job);
  ~PictureDevice();
  PictureDevice(const PictureDevice&) = delete;
  PictureDevice& operator=(const PictureDevice&) = delete;

  // Writes kFilm, then pictures until the device fails: throws DecoderError(kPicturesLost).
  void Show(RecordWriter& out);

 private:
  void OpenCamera(const AVInputFormat& input);
  void OpenScreen(const AVInputFormat& input);
  int Open(const AVInputFormat& input, AVDictionary* options);
  void Read(AVPacket& packet);

  const Job& job_;
  std::string device_;
  AVFormatContext* format_ = nullptr;
  std::deque<PacketPtr> first_;
};

}  // namespace gemma3n
