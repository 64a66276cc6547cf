// SPDX-License-Identifier: Apache-2.0
// Bytes of a picture, a sound or a film -> pixels, samples, frames. What a file is, its content
// decides, never its name. Pictures decode to the pixels that Pillow's open, exif_transpose and
// convert("RGB") give; sounds to the samples that librosa.load(sr=16000) gives. docs/media.md.
//
// Every function here throws Error(kMedia) when the bytes are not what they should be, pass a
// limit, or are of a format we do not read; the message names the file. Functions may be called
// from several threads at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace gemma3n {

// 8-bit RGB, rows from the top, pixels from the left: rgb[(y * width + x) * 3 + channel].
struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;
};

// One channel of float samples, full scale at 1. Loaded sound is at 16000 Hz.
struct AudioClip {
  std::vector<float> samples;
  int sample_rate_hz = 16000;
};

struct VideoFrame {
  double time_s = 0;  // since the first frame of the film
  Image image;
};

struct VideoClip {
  std::vector<VideoFrame> frames;  // in order of time
  AudioClip audio;                 // no samples when the film has no soundtrack
  double duration_s = 0;           // of the film as far as it was looked at, whatever the span
};

// Each is checked before the memory or the work that it bounds.
struct MediaLimits {
  uint64_t image_file_bytes = 32ull << 20;
  int image_side = 16384;
  int64_t image_pixels = 64ll << 20;
  uint64_t image_memory_bytes = 512ull << 20;  // while decoding one picture, the result included

  uint64_t sound_file_bytes = 1ull << 30;
  double sound_seconds = 600;
  // Of a SoundStream, in place of the two above; what passes them ends it with an error.
  uint64_t sound_stream_bytes = 64ull << 30;
  double sound_stream_seconds = 24 * 3600;
  uint64_t sound_spool_bytes = 4ull << 30;  // written to a temporary file, where that is needed
  double microphone_buffer_seconds = 600;   // that wait to be read
  int sound_channels = 8;
  int sound_rate_min_hz = 4000;
  int sound_rate_max_hz = 192000;

  uint64_t video_file_bytes = 1ull << 30;
  double video_seconds = 7200;           // looked at; what comes later is left out
  int video_streams = 16;                // in one container
  int video_frames = 120;                // handed over
  int64_t video_frame_pixels = 2 << 20;  // a larger frame is scaled down to it
  uint64_t decoder_memory_bytes = 1ull << 30;
  int decoder_cpu_seconds = 60;  // and 30 for each minute of film or of sound, 2 for each GB
  double live_fps = 10;          // pictures a second of a PictureStream that are made into pixels
};

struct MediaOptions {
  MediaLimits limits;
  // The program that decodes films and compressed sound. Empty: the environment's GEMMA3N_MEDIA,
  // else gemma3n-media beside our own executable, else in ../libexec/gemma3n from there.
  std::string decoder_program;
  // Decode even where the kernel gives no sandbox (no seccomp): only for files you trust.
  bool allow_unsandboxed_decoder = false;
  // Asked many times a second while gemma3n-media decodes; false ends it, and what it was to decode
  // fails. May be empty.
  std::function<bool()> goes_on = nullptr;
};

// By what the frames of a film are chosen: so many a second, or one for each scene, its first.
enum class FramePick { kRate, kScenes };

struct VideoOptions {
  double fps = 1;       // frames a second at most, (0, 1000]
  int max_frames = 32;  // a longer film is sampled more thinly, evenly over its length
  bool soundtrack = true;
  // The span to take frames and sound from, in seconds since the film's first frame. Its end must
  // come after its start and, unless infinite, not after the second in which the film ends.
  double from_s = 0, to_s = std::numeric_limits<double>::infinity();
  // With kScenes the first frame is taken, and the first of each new scene; `fps` says nothing. Of
  // more than max_frames the strongest changes are kept.
  FramePick pick = FramePick::kRate;
  double scene_change = 0.1;  // by which a scene differs from the last one (PictureChange); (0, 1]
};

enum class MediaKind { kUnknown, kImage, kAudio, kVideo };

// `format` is a plain word for messages, such as "PNG" or "PDF document"; "" when the bytes are
// not recognised. The kind is kUnknown for what we recognise but do not read. Containers that hold
// films or sound alike (MP4, WebM, Ogg) are told apart by their first bytes as far as these say.
struct MediaType {
  MediaKind kind = MediaKind::kUnknown;
  std::string format;
};
MediaType DetectMediaKind(std::span<const uint8_t> bytes);

// PNG, JPEG, WebP, GIF (the first frame of each). Load reads a regular file; Parse takes its bytes,
// and `name` stands for them in messages.
Image LoadImage(const std::filesystem::path& path, const MediaOptions& options = {});
Image ParseImage(std::span<const uint8_t> bytes, const std::string& name,
                 const MediaOptions& options = {});

// A picture as its file, decoded whenever it is looked at, so that a conversation with many
// pictures needs the memory of one.
class ImageFile {
 public:
  // Decodes the picture once, to know that it can be. As Load, throws what LoadImage does.
  explicit ImageFile(std::filesystem::path path, MediaOptions options = {});
  // The same of a file's bytes; `name` stands for them in messages.
  ImageFile(std::vector<uint8_t> bytes, std::string name, MediaOptions options = {});
  Image Load() const;
  size_t memory_bytes() const { return bytes_.size(); }

 private:
  std::filesystem::path path_;
  std::vector<uint8_t> bytes_;  // where there are some, the path is their name
  MediaOptions options_;
};

// Any sound or the soundtrack of any film, as 16 kHz mono. WAV and FLAC are read in this process,
// all else by gemma3n-media.
AudioClip LoadAudio(const std::filesystem::path& path, const MediaOptions& options = {});
AudioClip ParseAudio(std::span<const uint8_t> bytes, const std::string& name,
                     const MediaOptions& options = {});

// Frames with their times, and the soundtrack as 16 kHz mono; through gemma3n-media.
VideoClip LoadVideo(const std::filesystem::path& path, const VideoOptions& video = {},
                    const MediaOptions& options = {});
VideoClip ParseVideo(std::span<const uint8_t> bytes, const std::string& name,
                     const VideoOptions& video = {}, const MediaOptions& options = {});

// How often a decoder process of this program was ended for a call that its sandbox forbids: each
// time a file tried to break out. For those who watch a service.
int64_t ForbiddenDecoderCalls();

// Mono samples at any rate -> 16 kHz, by libsoxr at its "HQ" setting as librosa does: ceil(n *
// 16000 / rate) samples. Throws Error(kMedia) for a rate outside `limits`.
AudioClip ResampleTo16kHz(const AudioClip& clip, const MediaLimits& limits = {});

}  // namespace gemma3n
