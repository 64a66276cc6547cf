// SPDX-License-Identifier: Apache-2.0
// What is behind a SoundStream: something that makes 16 kHz mono samples, a few at a time.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gemma3n/sound_stream.h"
#include "media/byte_source.h"
#include "media/mono_converter.h"
#include "media/pcm.h"

namespace gemma3n {

class SoundSource {
 public:
  virtual ~SoundSource() = default;
  // Appends some samples to `out`, perhaps none yet; false after the last. Throws Error(kMedia).
  virtual bool Pull(std::vector<float>& out) = 0;
  // As those of SoundStream.
  virtual double duration_s() const { return 0; }
  virtual double start_s() const { return 0; }
};

// How much of a sound is read.
struct SoundExtent {
  uint64_t file_bytes = 0;
  double seconds = 0;
  // Look through compressed sound for its length first, and refuse what is too long before any of
  // it is decoded.
  bool measured = false;
};

// Each throws Error(kMedia) for what its header has wrong. WAV from its first byte on:
std::unique_ptr<SoundSource> WavSource(std::unique_ptr<ByteSource> bytes, const std::string& name,
                                       const MediaLimits& limits, double most_s);
std::unique_ptr<SoundSource> RawSource(std::unique_ptr<ByteSource> bytes, const std::string& name,
                                       const RawSound& raw, const MediaLimits& limits,
                                       double most_s);
std::unique_ptr<SoundSource> FlacSource(std::unique_ptr<SeekableSource> bytes,
                                        const std::string& name, const MediaLimits& limits,
                                        double most_s);

// Any file that is sound or holds some; its first bytes decide who reads it.
std::unique_ptr<SoundSource> FileSound(InputFile file, const std::string& name,
                                       const SoundExtent& extent, const MediaOptions& options);

// Throws Error(kMedia) that names what was found, unless it is a sound or a film.
void CheckIsSound(const MediaType& type, const std::string& name);

// A stream over `source`, which ends with an error when there is no sample in it.
std::unique_ptr<SoundStream> StreamOf(std::unique_ptr<SoundSource> source, const std::string& name);

// All that it has.
AudioClip ReadToEnd(SoundStream& stream);

}  // namespace gemma3n
