// SPDX-License-Identifier: Apache-2.0
// Film bytes -> VideoClip: checks what the file and the options are, the rest is decoder_process.
#include "gemma3n/media.h"
#include "media/decoder_process.h"
#include "media/input_file.h"
#include "media/media_error.h"

namespace gemma3n {
namespace {

constexpr uint64_t kSniffBytes = 4096;

DecoderJob CheckedJob(const MediaType& type, const std::string& name, const VideoOptions& video) {
  if (!(video.fps > 0 && video.fps <= 1000))
    ThrowMedia(name, "frames a second: expected more than 0 and at most 1000");
  if (video.max_frames < 1) ThrowMedia(name, "number of frames: expected at least 1");
  if (!(video.from_s >= 0 && video.from_s < video.to_s))
    ThrowMedia(name, "span of the film: expected an end after its start, found " +
                         SpanText(video.from_s, video.to_s));
  // Ogg holds sound nearly always; that it holds no film the decoder will find out.
  if (type.kind == MediaKind::kVideo || type.format == "Ogg")
    return {.format = type.format, .sound = video.soundtrack, .video = video};
  const std::string found = type.format.empty() ? "bytes of no known format" : type.format;
  ThrowMedia(name,
             "unsupported film format: expected MP4, QuickTime, Matroska, WebM, AVI, MPEG-TS "
             "or Ogg, found " +
                 found);
}

}  // namespace

VideoClip ParseVideo(std::span<const uint8_t> bytes, const std::string& name,
                     const VideoOptions& video, const MediaOptions& options) {
  if (bytes.empty()) ThrowMedia(name, "the file is empty");
  if (bytes.size() > options.limits.video_file_bytes) {
    ThrowMedia(name, "the film file has " + std::to_string(bytes.size()) + " bytes, the limit is " +
                         std::to_string(options.limits.video_file_bytes));
  }
  const DecoderJob job = CheckedJob(DetectMediaKind(bytes), name, video);
  return RunDecoder(MemoryFile(bytes), name, job, options);
}

VideoClip LoadVideo(const std::filesystem::path& path, const VideoOptions& video,
                    const MediaOptions& options) {
  const std::string name = path.string();
  const InputFile file = OpenInputFile(path, options.limits.video_file_bytes);
  const DecoderJob job =
      CheckedJob(DetectMediaKind(ReadStart(file, name, kSniffBytes)), name, video);
  return RunDecoder(file.descriptor, name, job, options);
}

}  // namespace gemma3n
