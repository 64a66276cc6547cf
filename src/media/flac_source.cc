// SPDX-License-Identifier: Apache-2.0
// FLAC files. The only file that knows libsndfile.
#include <sndfile.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <utility>

#include "media/media_error.h"
#include "media/sound_source.h"

namespace gemma3n {
namespace {

constexpr sf_count_t kPieceFrames = 16384;
// libsndfile's word for "the file does not say".
constexpr sf_count_t kUnknownFrames = SF_COUNT_MAX;

// What libsndfile calls back; an exception must not pass through it.
struct SoundBytes {
  std::unique_ptr<SeekableSource> source;
  std::exception_ptr failure;
};

sf_count_t Length(void* user) {
  return static_cast<sf_count_t>(static_cast<SoundBytes*>(user)->source->size());
}

sf_count_t Tell(void* user) {
  return static_cast<sf_count_t>(static_cast<SoundBytes*>(user)->source->position());
}

sf_count_t Seek(sf_count_t offset, int whence, void* user) {
  const sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? Tell(user) : Length(user);
  sf_count_t target = 0;
  if (__builtin_add_overflow(base, offset, &target) || target < 0) return -1;
  static_cast<SoundBytes*>(user)->source->Seek(static_cast<uint64_t>(target));
  return Tell(user);
}

sf_count_t ReadBytes(void* to, sf_count_t count, void* user) {
  auto& bytes = *static_cast<SoundBytes*>(user);
  try {
    return static_cast<sf_count_t>(
        bytes.source->ReadFully(to, static_cast<size_t>(std::max<sf_count_t>(count, 0))));
  } catch (...) {
    bytes.failure = std::current_exception();
    return 0;
  }
}

struct CloseSound {
  void operator()(SNDFILE* file) const { sf_close(file); }
};

class FlacFile : public SoundSource {
 public:
  FlacFile(std::unique_ptr<SeekableSource> bytes, const std::string& name,
           const MediaLimits& limits, double most_s)
      : name_(name), bytes_{std::move(bytes), nullptr}, converter_(name, limits, most_s) {
    SF_VIRTUAL_IO io = {&Length, &Seek, &ReadBytes, nullptr, &Tell};
    file_.reset(sf_open_virtual(&io, SFM_READ, &info_, &bytes_));
    if (bytes_.failure) std::rethrow_exception(bytes_.failure);
    if (!file_) ThrowMedia(name_, "the FLAC data is damaged");
    converter_.Check(info_.samplerate, info_.channels, duration_s());
    piece_.resize(static_cast<size_t>(kPieceFrames * info_.channels));
  }

  double duration_s() const override {
    return info_.frames == kUnknownFrames || info_.samplerate <= 0
               ? 0
               : static_cast<double>(info_.frames) / info_.samplerate;
  }

  bool Pull(std::vector<float>& out) override;

 private:
  std::string name_;
  SoundBytes bytes_;
  MonoConverter converter_;
  SF_INFO info_ = {};
  std::unique_ptr<SNDFILE, CloseSound> file_;
  std::vector<float> piece_;
  sf_count_t total_ = 0;
};

bool FlacFile::Pull(std::vector<float>& out) {
  const sf_count_t got = sf_readf_float(file_.get(), piece_.data(), kPieceFrames);
  if (bytes_.failure) std::rethrow_exception(bytes_.failure);
  if (got > 0) {
    total_ += got;
    converter_.Push({piece_.data(), static_cast<size_t>(got * info_.channels)}, info_.channels,
                    info_.samplerate, out);
    return true;
  }
  if (sf_error(file_.get()) != SF_ERR_NO_ERROR) ThrowMedia(name_, "the FLAC data is damaged");
  if (info_.frames != kUnknownFrames && total_ < info_.frames) {
    ThrowMedia(name_, "the FLAC file is cut short: expected " + std::to_string(info_.frames) +
                          " samples, found " + std::to_string(total_));
  }
  converter_.Finish(out);
  return false;
}

}  // namespace

std::unique_ptr<SoundSource> FlacSource(std::unique_ptr<SeekableSource> bytes,
                                        const std::string& name, const MediaLimits& limits,
                                        double most_s) {
  return std::make_unique<FlacFile>(std::move(bytes), name, limits, most_s);
}

}  // namespace gemma3n
