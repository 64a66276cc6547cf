// SPDX-License-Identifier: Apache-2.0
// Sound bytes -> samples: which decoder reads them.
#include <utility>

#include "media/decoder_process.h"
#include "media/media_error.h"
#include "media/sound_source.h"

namespace gemma3n {
namespace {

constexpr uint64_t kSniffBytes = 4096;

// What gemma3n-media decodes.
class DecodedSource : public SoundSource {
 public:
  DecodedSource(InputFile file, const std::string& name, const DecoderJob& job,
                const MediaOptions& options)
      : decoder_(file.descriptor, name, job, options) {
    more_ = decoder_.Take(first_);  // its length comes before all else
  }

  double duration_s() const override { return decoder_.duration_s(); }
  double start_s() const override { return decoder_.sound_start_s(); }

  bool Pull(std::vector<float>& out) override {
    out.insert(out.end(), first_.begin(), first_.end());
    first_.clear();
    if (more_) more_ = decoder_.Take(out);
    return more_;
  }

 private:
  FilmDecoder decoder_;
  std::vector<float> first_;
  bool more_ = true;
};

AudioClip DecodeAll(std::unique_ptr<SoundSource> source, const std::string& name) {
  return ReadToEnd(*StreamOf(std::move(source), name));
}

SoundExtent ClipExtent(const MediaLimits& limits) {
  return {limits.sound_file_bytes, limits.sound_seconds, true};
}

}  // namespace

void CheckIsSound(const MediaType& type, const std::string& name) {
  if (type.kind == MediaKind::kAudio || type.kind == MediaKind::kVideo) return;
  const std::string found = type.format.empty() ? "bytes of no known format" : type.format;
  ThrowMedia(name,
             "unsupported sound format: expected WAV, FLAC, MP3, M4A, AAC, Ogg or a film, "
             "found " +
                 found);
}

std::unique_ptr<SoundSource> FileSound(InputFile file, const std::string& name,
                                       const SoundExtent& extent, const MediaOptions& options) {
  const MediaType type = DetectMediaKind(ReadStart(file, name, kSniffBytes));
  CheckIsSound(type, name);
  if (type.format == "WAV") {
    return WavSource(std::make_unique<FileSource>(std::move(file), name), name, options.limits,
                     extent.seconds);
  }
  if (type.format == "FLAC") {
    return FlacSource(std::make_unique<FileSource>(std::move(file), name), name, options.limits,
                      extent.seconds);
  }
  DecoderJob job{.format = type.format, .frames = false, .sound = true};
  job.measured = extent.measured;
  job.sound_seconds = extent.seconds;
  return std::make_unique<DecodedSource>(std::move(file), name, job, options);
}

AudioClip ParseAudio(std::span<const uint8_t> bytes, const std::string& name,
                     const MediaOptions& options) {
  const SoundExtent extent = ClipExtent(options.limits);
  if (bytes.empty()) ThrowMedia(name, "the file is empty");
  if (bytes.size() > extent.file_bytes) {
    ThrowMedia(name, "the sound file has " + std::to_string(bytes.size()) +
                         " bytes, the limit is " + std::to_string(extent.file_bytes));
  }
  const std::string format = DetectMediaKind(bytes).format;
  if (format == "WAV") {
    return DecodeAll(
        WavSource(std::make_unique<MemorySource>(bytes), name, options.limits, extent.seconds),
        name);
  }
  if (format == "FLAC") {
    return DecodeAll(
        FlacSource(std::make_unique<MemorySource>(bytes), name, options.limits, extent.seconds),
        name);
  }
  CheckIsSound(DetectMediaKind(bytes), name);
  return DecodeAll(FileSound({MemoryFile(bytes), bytes.size()}, name, extent, options), name);
}

AudioClip LoadAudio(const std::filesystem::path& path, const MediaOptions& options) {
  const std::string name = path.string();
  const SoundExtent extent = ClipExtent(options.limits);
  return DecodeAll(FileSound(OpenInputFile(path, extent.file_bytes), name, extent, options), name);
}

AudioClip ResampleTo16kHz(const AudioClip& clip, const MediaLimits& limits) {
  MonoConverter converter("sound", limits, limits.sound_seconds);
  AudioClip resampled;
  converter.Push(clip.samples, 1, clip.sample_rate_hz, resampled.samples);
  converter.Finish(resampled.samples);
  return resampled;
}

}  // namespace gemma3n
