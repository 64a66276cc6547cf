// SPDX-License-Identifier: Apache-2.0
// Sound bytes -> AudioClip: which decoder reads them.
#include "gemma3n/media.h"
#include "media/decoder_process.h"
#include "media/input_file.h"
#include "media/media_error.h"
#include "media/sound_collector.h"
#include "media/sound_file.h"

namespace gemma3n {
namespace {

constexpr uint64_t kSniffBytes = 4096;

bool ReadInProcess(const MediaType& type) {
  return type.format == "WAV" || type.format == "FLAC";
}

void CheckIsSound(const MediaType& type, const std::string& name) {
  if (type.kind == MediaKind::kAudio || type.kind == MediaKind::kVideo) return;
  const std::string found = type.format.empty() ? "bytes of no known format" : type.format;
  ThrowMedia(name,
             "unsupported sound format: expected WAV, FLAC, MP3, M4A, AAC, Ogg or a film, "
             "found " +
                 found);
}

AudioClip DecodeInOtherProcess(const Descriptor& file, const std::string& name,
                               const MediaType& type, const MediaOptions& options) {
  const DecoderJob job{.format = type.format, .frames = false, .sound = true, .video = {}};
  AudioClip clip = RunDecoder(file, name, job, options).audio;
  if (clip.samples.empty()) ThrowMedia(name, "the sound has no samples");
  return clip;
}

}  // namespace

AudioClip ParseAudio(std::span<const uint8_t> bytes, const std::string& name,
                     const MediaOptions& options) {
  if (bytes.empty()) ThrowMedia(name, "the file is empty");
  if (bytes.size() > options.limits.sound_file_bytes) {
    ThrowMedia(name, "the sound file has " + std::to_string(bytes.size()) +
                         " bytes, the limit is " + std::to_string(options.limits.sound_file_bytes));
  }
  const MediaType type = DetectMediaKind(bytes);
  CheckIsSound(type, name);
  if (ReadInProcess(type)) return DecodeSoundFile(bytes, name, options.limits);
  return DecodeInOtherProcess(MemoryFile(bytes), name, type, options);
}

AudioClip LoadAudio(const std::filesystem::path& path, const MediaOptions& options) {
  const std::string name = path.string();
  const InputFile file = OpenInputFile(path, options.limits.sound_file_bytes);
  const MediaType type = DetectMediaKind(ReadStart(file, name, kSniffBytes));
  CheckIsSound(type, name);
  if (ReadInProcess(type))
    return DecodeSoundFile(ReadStart(file, name, file.bytes), name, options.limits);
  return DecodeInOtherProcess(file.descriptor, name, type, options);
}

AudioClip ResampleTo16kHz(const AudioClip& clip, const MediaLimits& limits) {
  SoundCollector collector("sound", limits);
  collector.Check(clip.sample_rate_hz, 1, 0);
  collector.Push(clip.samples, 1, clip.sample_rate_hz);
  return collector.Finish();
}

}  // namespace gemma3n
