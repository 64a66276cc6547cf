// SPDX-License-Identifier: Apache-2.0
// Sound of any length, one piece after another, in memory that does not grow with the length. The
// samples are those of LoadAudio, bit by bit, however they are asked for. docs/media.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gemma3n/media.h"

namespace gemma3n {

// Samples without a header, channels interleaved, little-endian.
struct RawSound {
  enum class Format { kS16, kF32, kMuLaw, kALaw };  // the last two: ITU-T G.711
  int rate_hz = 16000;
  int channels = 1;
  Format format = Format::kS16;
};

// Raw sound that is handed in -> samples as a SoundStream gives them. What comes out does not
// depend on how the bytes are cut into pieces. One thread at a time.
class SoundDecoder {
 public:
  // Throws Error (kMedia) for a rate or a count of channels outside `limits`.
  static std::unique_ptr<SoundDecoder> New(const RawSound& raw, const MediaLimits& limits = {});
  virtual ~SoundDecoder() = default;

  // Appends to `samples` what is ready. Half a sample waits for its other half.
  virtual void Push(std::span<const uint8_t> bytes, std::vector<float>& samples) = 0;
  // The sound has ended: appends the rest. What is pushed then is another sound.
  virtual void Finish(std::vector<float>& samples) = 0;
};

// 16000 Hz, one channel, full scale at 1. One thread at a time. Whatever sends the sound waits
// while nobody reads; a stream that is destroyed early ends the decoder process behind it at once.
class SoundStream {
 public:
  virtual ~SoundStream() = default;
  SoundStream(const SoundStream&) = delete;
  SoundStream& operator=(const SoundStream&) = delete;

  // Whatever LoadAudio reads, up to limits.sound_stream_seconds and sound_stream_bytes. Throws
  // Error: kMedia as LoadAudio does, kResources when gemma3n-media is needed and missing.
  static std::unique_ptr<SoundStream> Open(const std::filesystem::path& path,
                                           const MediaOptions& options = {});

  // What comes out of `fd`, which stays the caller's and is read from where it stands: standard
  // input, a pipe, a socket, a file; `name` stands for it in messages. WAV and, with `raw`, samples
  // without a header are handed on as they arrive. All else is first written to a nameless
  // temporary file (in TMPDIR, else /var/tmp, else /tmp; at most limits.sound_spool_bytes), since
  // its decoders go back and forth. Waits for the first bytes. Throws as Open does. `stop`: a
  // descriptor, the caller's as well; once it is readable nothing is waited for any more, here or
  // in Read, which throw kMedia instead. -1: none.
  static std::unique_ptr<SoundStream> OpenDescriptor(int fd, const std::string& name,
                                                     const std::optional<RawSound>& raw = {},
                                                     const MediaOptions& options = {},
                                                     int stop = -1);

  // What a microphone hears from now on: "default", "hw:1" or any name that ALSA knows, or
  // "pulse:NAME" of PulseAudio's sources ("pulse": its default). It is listened to by a thread, so
  // that nothing is lost while Read is not called, for limits.microphone_buffer_seconds at most;
  // then, and when the device goes away, Read throws. It never ends by itself. Throws Error: kMedia
  // for a device that cannot be opened, kResources when gemma3n-media is missing.
  static std::unique_ptr<SoundStream> OpenMicrophone(const std::string& device,
                                                     const MediaOptions& options = {});

  // Some samples, at least one, waiting for them where they are still being made; 0 at the end.
  // Does not wait to fill `samples`, which must not be empty. Throws Error(kMedia), and the same
  // again when it is called after that: damage, a limit passed, a decoder that died, a file that
  // became shorter meanwhile, or no sample in all of the sound.
  virtual size_t Read(std::span<float> samples) = 0;

  // How long the sound says it is, in seconds; 0 where nothing says. To show progress with: it is
  // not checked against what comes.
  virtual double duration_s() const = 0;

  // Of a film, how long after its first picture the first sample is heard, in seconds, as the
  // container says; negative when before. 0 for all else.
  virtual double start_s() const = 0;

 protected:
  SoundStream() = default;
};

}  // namespace gemma3n
