// SPDX-License-Identifier: Apache-2.0
// Film bytes -> VideoClip: checks what the file and the options are, the rest is decoder_process.
#include "gemma3n/media.h"
#include "media/decoder_process.h"
#include "media/input_file.h"
#include "media/media_error.h"

namespace gemma3n {
VideoClip ParseVideo(std::span<const uint8_t> bytes, const std::string& name,
                     const VideoOptions& video, const MediaOptions& options) {
  if (bytes.empty()) ThrowMedia(name, "the file is empty");
  if (bytes.size() > options.limits.video_file_bytes) {
    ThrowMedia(name, "the film file has " + std::to_string(bytes.size()) + " bytes, the limit is " +
                         std::to_string(options.limits.video_file_bytes));
  }
  const DecoderJob job = FilmJob(DetectMediaKind(bytes), name, video);
  return RunDecoder(MemoryFile(bytes), name, job, options);
}

VideoClip LoadVideo(const std::filesystem::path& path, const VideoOptions& video,
                    const MediaOptions& options) {
  const std::string name = path.string();
  const InputFile file = OpenInputFile(path, options.limits.video_file_bytes);
  const DecoderJob job =
      FilmJob(DetectMediaKind(ReadStart(file, name, kFilmSniffBytes)), name, video);
  return RunDecoder(file.descriptor, name, job, options);
}

}  // namespace gemma3n
