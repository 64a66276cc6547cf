// SPDX-License-Identifier: Apache-2.0
#include "cli/snapshot.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <utility>

#include "cli/options.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"
#include "gemma3n/picture_stream.h"

namespace gemma3n::cli {
namespace {

constexpr double kToAdapt = 0.5, kToWait = 3;  // seconds
constexpr double kGlance = 0.1;                // between looks at Ctrl-C

// The first picture that comes so long after the very first, or the last there is by the deadline.
Image PictureAfter(double seconds, PictureStream& stream, const std::string& name) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(kToWait);
  std::optional<VideoFrame> picture;
  while ((!picture || picture->time_s < seconds) && !stream.ended() &&
         std::chrono::steady_clock::now() < deadline) {
    if (auto newer = stream.Newest(kGlance)) picture = std::move(newer);
    if (!Interrupted()) continue;
    ClearInterrupt();
    throw Error(ErrorKind::kUsage, "stopped; nothing is attached");
  }
  if (!picture) throw Error(ErrorKind::kMedia, name + ": expected a picture, found none");
  return std::move(picture->image);
}

}  // namespace

Image TakePicture(const std::string& camera, const MediaOptions& options) {
  const bool is_number = ParseSeed(camera).has_value();
  const std::string device = camera.empty() ? "/dev/video0"
                             : is_number    ? "/dev/video" + camera
                                            : camera;
  std::error_code ignored;
  const auto stream = std::filesystem::is_regular_file(device, ignored)
                          ? PictureStream::Play(device, 1, options)
                          : PictureStream::OpenCamera(device, {}, options);
  return PictureAfter(kToAdapt, *stream, device);
}

Image TakeScreen(const std::string& display, const MediaOptions& options) {
  const char* own = std::getenv("DISPLAY");
  const std::string name = display.empty() && own != nullptr ? own : display;
  if (name.empty()) {
    throw Error(ErrorKind::kUsage,
                "/screen: expected an X display such as :0, since DISPLAY is not set");
  }
  return PictureAfter(0, *PictureStream::OpenScreen(name, options), "screen " + name);
}

}  // namespace gemma3n::cli
