// SPDX-License-Identifier: Apache-2.0
// SoundStream: what a path or a descriptor is, and the buffer between the pieces that a source
// makes and those that are asked for.
#include "gemma3n/sound_stream.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "media/media_error.h"
#include "media/sound_source.h"
#include "media/spool.h"

namespace gemma3n {
namespace {

constexpr size_t kSniffBytes = 4096, kWavSniffBytes = 12;
constexpr size_t kPieceSamples = 64 << 10;  // of ReadToEnd

class SourceStream : public SoundStream {
 public:
  SourceStream(std::unique_ptr<SoundSource> source, std::string name)
      : source_(std::move(source)), name_(std::move(name)) {}

  size_t Read(std::span<float> samples) override;
  double duration_s() const override { return duration_s_; }
  double start_s() const override { return start_s_; }

 private:
  void Fill();

  std::unique_ptr<SoundSource> source_;  // null after its last sample
  std::string name_;
  double duration_s_ = source_->duration_s(), start_s_ = source_->start_s();
  std::vector<float> ready_;
  size_t taken_ = 0;  // of ready_
  bool any_ = false;
  std::optional<Error> failure_;
};

void SourceStream::Fill() {
  ready_.clear();
  taken_ = 0;
  while (ready_.empty() && source_) {
    if (!source_->Pull(ready_)) source_.reset();
    any_ = any_ || !ready_.empty();
  }
  if (!any_) ThrowMedia(name_, "the sound has no samples");
}

size_t SourceStream::Read(std::span<float> samples) {
  CHECK(!samples.empty());
  if (failure_) throw *failure_;
  try {
    if (taken_ == ready_.size()) Fill();
  } catch (const Error& error) {
    failure_ = error;
    source_.reset();  // ends the process behind it, if there is one
    throw;
  }
  const size_t count = std::min(samples.size(), ready_.size() - taken_);
  std::copy_n(ready_.begin() + static_cast<ptrdiff_t>(taken_), count, samples.begin());
  taken_ += count;
  return count;
}

SoundExtent StreamExtent(const MediaLimits& limits) {
  return {limits.sound_stream_bytes, limits.sound_stream_seconds, false};
}

}  // namespace

std::unique_ptr<SoundStream> StreamOf(std::unique_ptr<SoundSource> source,
                                      const std::string& name) {
  return std::make_unique<SourceStream>(std::move(source), name);
}

AudioClip ReadToEnd(SoundStream& stream) {
  AudioClip clip;
  size_t have = 0;
  for (;;) {
    clip.samples.resize(have + kPieceSamples);
    const size_t got = stream.Read(std::span(clip.samples).subspan(have));
    have += got;
    if (got == 0) break;
  }
  clip.samples.resize(have);
  return clip;
}

std::unique_ptr<SoundStream> SoundStream::Open(const std::filesystem::path& path,
                                               const MediaOptions& options) {
  const std::string name = path.string();
  const SoundExtent extent = StreamExtent(options.limits);
  return StreamOf(FileSound(OpenInputFile(path, extent.file_bytes), name, extent, options), name);
}

std::unique_ptr<SoundStream> SoundStream::OpenDescriptor(int fd, const std::string& name,
                                                         const std::optional<RawSound>& raw,
                                                         const MediaOptions& options, int stop) {
  const SoundExtent extent = StreamExtent(options.limits);
  Descriptor copy = CopyDescriptor(fd, name);
  if (IsFileAtStart(fd, name, "sound") && !raw) {
    InputFile file = CheckInputFile(std::move(copy), name, extent.file_bytes);
    return StreamOf(FileSound(std::move(file), name, extent, options), name);
  }
  auto pipe = std::make_unique<PipeSource>(std::move(copy), name, extent.file_bytes, stop);
  if (raw) {
    return StreamOf(RawSource(std::move(pipe), name, *raw, options.limits, extent.seconds), name);
  }
  if (pipe->Peek(kWavSniffBytes).empty()) ThrowMedia(name, "expected sound, found no byte");
  if (DetectMediaKind(pipe->Peek(kWavSniffBytes)).format == "WAV")
    return StreamOf(WavSource(std::move(pipe), name, options.limits, extent.seconds), name);
  CheckIsSound(DetectMediaKind(pipe->Peek(kSniffBytes)), name);  // before all of it is written
  InputFile file = Spool(*pipe, name, options.limits.sound_spool_bytes);
  return StreamOf(FileSound(std::move(file), name, extent, options), name);
}

}  // namespace gemma3n
