// SPDX-License-Identifier: Apache-2.0
#include "media/sound_file.h"

#include <sndfile.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "media/media_error.h"
#include "media/sound_collector.h"
#include "media/wav_header.h"

namespace gemma3n {
namespace {

constexpr sf_count_t kPieceFrames = 16384;
// libsndfile's word for "the file does not say".
constexpr sf_count_t kUnknownFrames = SF_COUNT_MAX;

struct SoundBytes {
  std::span<const uint8_t> bytes;
  sf_count_t position = 0;
};

sf_count_t Length(void* user) {
  return static_cast<sf_count_t>(static_cast<SoundBytes*>(user)->bytes.size());
}

sf_count_t Seek(sf_count_t offset, int whence, void* user) {
  auto& source = *static_cast<SoundBytes*>(user);
  const sf_count_t base = whence == SEEK_SET   ? 0
                          : whence == SEEK_CUR ? source.position
                                               : Length(user);
  sf_count_t target = 0;
  if (__builtin_add_overflow(base, offset, &target) || target < 0) return -1;
  source.position = std::min(target, Length(user));
  return source.position;
}

sf_count_t Read(void* to, sf_count_t count, void* user) {
  auto& source = *static_cast<SoundBytes*>(user);
  const sf_count_t take = std::clamp<sf_count_t>(Length(user) - source.position, 0, count);
  if (take > 0) std::memcpy(to, source.bytes.data() + source.position, static_cast<size_t>(take));
  source.position += std::max<sf_count_t>(take, 0);
  return take;
}

sf_count_t Tell(void* user) {
  return static_cast<SoundBytes*>(user)->position;
}

struct CloseSound {
  void operator()(SNDFILE* file) const { sf_close(file); }
};

}  // namespace

AudioClip DecodeSoundFile(std::span<const uint8_t> bytes, const std::string& name,
                          const MediaLimits& limits) {
  SoundCollector collector(name, limits);
  const bool flac = bytes.size() >= 4 && std::memcmp(bytes.data(), "fLaC", 4) == 0;
  if (!flac) {
    const WavHeader header = CheckWavHeader(bytes, name);
    collector.Check(header.rate_hz, header.channels, 0);
  }
  SoundBytes source{bytes};
  SF_VIRTUAL_IO io = {&Length, &Seek, &Read, nullptr, &Tell};
  SF_INFO info = {};
  const std::unique_ptr<SNDFILE, CloseSound> file(sf_open_virtual(&io, SFM_READ, &info, &source));
  const std::string damaged = std::string("the ") + (flac ? "FLAC" : "WAV") + " data is damaged";
  if (!file) ThrowMedia(name, damaged);
  const double announced = info.frames == kUnknownFrames || info.samplerate <= 0
                               ? 0
                               : static_cast<double>(info.frames) / info.samplerate;
  collector.Check(info.samplerate, info.channels, announced);

  std::vector<float> piece(static_cast<size_t>(kPieceFrames * info.channels));
  sf_count_t total = 0;
  for (;;) {
    const sf_count_t got = sf_readf_float(file.get(), piece.data(), kPieceFrames);
    if (got <= 0) break;
    total += got;
    collector.Push({piece.data(), static_cast<size_t>(got * info.channels)}, info.channels,
                   info.samplerate);
  }
  if (sf_error(file.get()) != SF_ERR_NO_ERROR) ThrowMedia(name, damaged);
  if (flac && info.frames != kUnknownFrames && total < info.frames) {
    ThrowMedia(name, "the FLAC file is cut short: expected " + std::to_string(info.frames) +
                         " samples, found " + std::to_string(total));
  }
  if (total == 0) ThrowMedia(name, "the sound has no samples");
  return collector.Finish();
}

}  // namespace gemma3n
