// SPDX-License-Identifier: Apache-2.0
// Pictures as they come, of which the newest counts: a film that plays, a camera, a screen, a pipe,
// an address. And by how much two pictures differ. docs/media.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "gemma3n/media.h"

namespace gemma3n {

// What is asked of a camera; it may give something else that is near.
struct CameraOptions {
  int width = 1280;
  int height = 720;
  double fps = 30;
};

// The pictures are taken by a thread as they come, by means of gemma3n-media, whether anybody asks
// for them or not, and only the newest is kept. At most limits.live_fps of them a second are made
// into pixels; one of more than limits.video_frame_pixels is scaled down to these. Times are
// seconds since the first picture: by a film's own time stamps, or as they arrive from a device.
//
// One thread at a time. A stream that is destroyed ends the process behind it at once. All opening
// throws Error: kMedia for a file, device or address that cannot be opened, kResources when
// gemma3n-media, or the library it needs for devices, is missing.
class PictureStream {
 public:
  virtual ~PictureStream() = default;
  PictureStream(const PictureStream&) = delete;
  PictureStream& operator=(const PictureStream&) = delete;

  // A film that LoadVideo reads, shown by its own clock from now on: each picture comes when it is
  // due, `speed` (more than 0) times as fast. One that is slower to decode than to show falls
  // behind. Of any length and count of frames.
  static std::unique_ptr<PictureStream> Play(const std::filesystem::path& path, double speed = 1,
                                             const MediaOptions& options = {});

  // A film that others write into a pipe or socket, each picture as it arrives: MPEG-TS, Matroska,
  // WebM or Motion JPEG. `fd` stays the caller's; `name` stands for it in messages. A whole file
  // that stands at its start, as the shell's `< film.mp4` gives it, is played. Waits for nothing:
  // what is wrong with what comes, Newest throws.
  static std::unique_ptr<PictureStream> OpenDescriptor(int fd, const std::string& name,
                                                       const MediaOptions& options = {});

  // A camera of Video4Linux, by the path of its device: "/dev/video0". Waits for the first picture.
  static std::unique_ptr<PictureStream> OpenCamera(const std::string& device,
                                                   const CameraOptions& camera = {},
                                                   const MediaOptions& options = {});

  // A screen of an X server: ":0", what is right of and below a corner of it: ":0+100,200", or, by
  // an empty name, that of the environment's DISPLAY.
  static std::unique_ptr<PictureStream> OpenScreen(const std::string& display,
                                                   const MediaOptions& options = {});

  // What an address of http, https, tcp or udp gives, as OpenDescriptor reads it: a film by https
  // in these formats, a camera's Motion JPEG. This is the only thing here that goes to the network,
  // in a process of its own that decodes nothing. What is wrong but the address's form, Newest
  // throws.
  static std::unique_ptr<PictureStream> OpenUrl(const std::string& url,
                                                const MediaOptions& options = {});

  // The newest picture that has come since the last call; if none has, waits for one, at most
  // `timeout_s`. None: nothing came in time, or the stream has ended. Throws Error(kMedia), after
  // the last picture and at each call from then on, when it broke off: damage, a device that went
  // away, a decoder that died.
  virtual std::optional<VideoFrame> Newest(double timeout_s) = 0;

  // It came to its end and its last picture was handed over. One that broke off does not end.
  virtual bool ended() const = 0;

  // How many pictures came and were never handed over, since newer ones had come.
  virtual int64_t overtaken() const = 0;

 protected:
  PictureStream() = default;
};

// By how much two pictures differ, from 0 (not at all) to 1: both are averaged over the same 32 by
// 18 cells, and the root mean square of the differences of colour is taken, full scale at 1, an
// even change of brightness counting for half. Noise of a camera gives 0.005 and less, something of
// a tenth of the height that moves 0.03, another scene 0.1 to 0.4. Of any sizes; throws nothing.
double PictureChange(const Image& a, const Image& b);

}  // namespace gemma3n
