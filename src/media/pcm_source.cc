// SPDX-License-Identifier: Apache-2.0
// WAV and samples without a header: bytes that are decoded as they come.
#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "gemma3n/sound_stream.h"
#include "media/media_error.h"
#include "media/sound_source.h"
#include "media/wav_header.h"

namespace gemma3n {
namespace {

constexpr size_t kPieceBytes = 64 << 10;

class PcmSource : public SoundSource {
 public:
  PcmSource(std::unique_ptr<ByteSource> bytes, const std::string& name, const WavHeader& format,
            const MediaLimits& limits, double most_s)
      : bytes_(std::move(bytes)), format_(format), converter_(name, limits, most_s) {
    converter_.Check(format.rate_hz, format.channels, 0);  // from here on these are small
    frame_bytes_ = static_cast<size_t>(format.channels) * BytesOfSample(format.coding);
    if (format_.data_bytes) {
      duration_s_ = static_cast<double>(*format_.data_bytes / frame_bytes_) /
                    static_cast<double>(format.rate_hz);
    }
    converter_.Check(format.rate_hz, format.channels, duration_s_);
    piece_.resize(kPieceBytes / frame_bytes_ * frame_bytes_);
  }

  double duration_s() const override { return duration_s_; }
  bool Pull(std::vector<float>& out) override;

 private:
  std::unique_ptr<ByteSource> bytes_;
  WavHeader format_;  // data_bytes: those that are left
  MonoConverter converter_;
  size_t frame_bytes_ = 0;
  double duration_s_ = 0;
  std::vector<uint8_t> piece_;
  size_t have_ = 0;  // bytes at its start: a frame that came in part
  std::vector<float> samples_;
};

bool PcmSource::Pull(std::vector<float>& out) {
  size_t want = piece_.size() - have_;
  if (format_.data_bytes) want = std::min<uint64_t>(want, *format_.data_bytes);
  const size_t got = bytes_->Read(piece_.data() + have_, want);
  if (got == 0) {  // a frame in part at the end is none
    converter_.Finish(out);
    return false;
  }
  if (format_.data_bytes) *format_.data_bytes -= got;
  have_ += got;
  const size_t used = have_ / frame_bytes_ * frame_bytes_;
  samples_.resize(used / BytesOfSample(format_.coding));
  DecodePcm(format_.coding, format_.big_endian, piece_.data(), samples_.size(), samples_.data());
  converter_.Push(samples_, static_cast<int>(format_.channels), static_cast<int>(format_.rate_hz),
                  out);
  have_ -= used;
  std::memmove(piece_.data(), piece_.data() + used, have_);
  return true;
}

PcmCoding CodingOf(RawSound::Format format) {
  switch (format) {
    case RawSound::Format::kS16:
      return PcmCoding::kSigned16;
    case RawSound::Format::kF32:
      return PcmCoding::kFloat32;
    case RawSound::Format::kMuLaw:
      return PcmCoding::kMuLaw;
    case RawSound::Format::kALaw:
      return PcmCoding::kALaw;
  }
  CHECK(false);
}

class RawDecoder : public SoundDecoder {
 public:
  RawDecoder(const RawSound& raw, const MediaLimits& limits)
      : raw_(raw),
        coding_(CodingOf(raw.format)),
        converter_("sound", limits, std::numeric_limits<double>::infinity()) {
    converter_.Check(raw.rate_hz, raw.channels, 0);
    frame_bytes_ = static_cast<size_t>(raw.channels) * BytesOfSample(coding_);
  }

  void Push(std::span<const uint8_t> bytes, std::vector<float>& samples) override {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    const size_t used = bytes_.size() / frame_bytes_ * frame_bytes_;
    decoded_.resize(used / BytesOfSample(coding_));
    DecodePcm(coding_, false, bytes_.data(), decoded_.size(), decoded_.data());
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(used));
    converter_.Push(decoded_, raw_.channels, raw_.rate_hz, samples);
  }

  void Finish(std::vector<float>& samples) override {
    bytes_.clear();
    converter_.Finish(samples);
  }

 private:
  const RawSound raw_;
  const PcmCoding coding_;
  MonoConverter converter_;
  size_t frame_bytes_ = 0;
  std::vector<uint8_t> bytes_;  // of a frame that came in part, between calls
  std::vector<float> decoded_;
};

}  // namespace

std::unique_ptr<SoundDecoder> SoundDecoder::New(const RawSound& raw, const MediaLimits& limits) {
  return std::make_unique<RawDecoder>(raw, limits);
}

std::unique_ptr<SoundSource> WavSource(std::unique_ptr<ByteSource> bytes, const std::string& name,
                                       const MediaLimits& limits, double most_s) {
  const WavHeader header = ReadWavHeader(*bytes, name);
  return std::make_unique<PcmSource>(std::move(bytes), name, header, limits, most_s);
}

std::unique_ptr<SoundSource> RawSource(std::unique_ptr<ByteSource> bytes, const std::string& name,
                                       const RawSound& raw, const MediaLimits& limits,
                                       double most_s) {
  const WavHeader header{CodingOf(raw.format), false, raw.channels, raw.rate_hz, bytes->left()};
  return std::make_unique<PcmSource>(std::move(bytes), name, header, limits, most_s);
}

}  // namespace gemma3n
