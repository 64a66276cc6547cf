// SPDX-License-Identifier: Apache-2.0
// A container in memory -> the packets of one video and one audio track. Reads descriptor-like
// sources only: every other name that a container mentions is refused.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "media_process/job.h"
#include "media_process/libav.h"

namespace gemma3n {

class Film {
 public:
  // Opens the container in `fd`, of `size` bytes, and chooses tracks: the first video track that is
  // not a cover picture, the first audio track marked default, else the first. Throws DecoderError.
  Film(int fd, int64_t size, const Job& job);

  // What comes out of a pipe, as job.format "pipe": MPEG-TS, Matroska or Motion JPEG, as its first
  // bytes say. `before_read` is called before each wait for more. Throws as the other, and
  // DecoderError(kNothingCame, kNotLive).
  Film(int pipe, const Job& job, std::function<void()> before_read);
  ~Film();
  Film(const Film&) = delete;
  Film& operator=(const Film&) = delete;

  AVStream* video() const { return video_; }  // null when absent or not asked for
  AVStream* audio() const { return audio_; }

  // Reads the next packet of either track; false at the end. Throws DecoderError when the file has
  // become shorter since it was opened.
  bool Read(AVPacket& packet);

  // Whether its time stamps are those of the pictures: Motion JPEG has none, and FFmpeg makes them
  // up.
  bool HasTimes() const;

  // What the container says, in seconds, 0 where it says nothing: the length, and how long after
  // the first picture the sound begins.
  double DeclaredLength() const;
  double DeclaredSoundStart() const;

 private:
  static int OnRead(void* opaque, uint8_t* to, int count);
  static int OnReadPipe(void* opaque, uint8_t* to, int count);
  static int64_t OnSeek(void* opaque, int64_t offset, int whence);
  void Sniff();
  void Build(const Job& job);
  void Open(const Job& job);
  void ChooseTracks(const Job& job);
  void Close();

  int fd_;
  int64_t begin_;  // of what is read, whose size and positions count from there
  int64_t size_;
  int64_t position_ = 0;
  std::string demuxer_;
  std::function<void()> before_read_;  // of a pipe
  std::vector<uint8_t> sniffed_;       // of a pipe, not yet read
  AVIOContext* io_ = nullptr;
  AVFormatContext* format_ = nullptr;
  AVStream* video_ = nullptr;
  AVStream* audio_ = nullptr;
  AVStream* pictures_ = nullptr;  // video_, or what would be if it were asked for
  bool cut_ = false;              // bytes that the file had are gone
};

// A decoder for the track. Throws DecoderError(kCodec) with its name when it is not on our list.
CodecContextPtr OpenDecoder(const AVStream& stream, const Job& job);

// Seconds of a time stamp in units of `base`; NaN when there is none.
double SecondsOf(int64_t stamp, AVRational base);

}  // namespace gemma3n
