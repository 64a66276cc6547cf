// SPDX-License-Identifier: Apache-2.0
#include "media/resample.h"

#include <soxr.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "gemma3n/error.h"

namespace gemma3n {

struct Resampler::Engine {
  soxr_t soxr = nullptr;
  ~Engine() { soxr_delete(soxr); }
};

Resampler::Resampler(int from_hz) : from_hz_(from_hz) {
  CHECK(from_hz > 0);
  if (from_hz == kModelSampleRateHz) return;
  engine_ = std::make_unique<Engine>();
  const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  const soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
  soxr_error_t error = nullptr;
  engine_->soxr = soxr_create(from_hz, kModelSampleRateHz, 1, &error, &io, &quality, &runtime);
  if (error != nullptr || engine_->soxr == nullptr) {
    throw Error(ErrorKind::kResources,
                "cannot set up resampling from " + std::to_string(from_hz) + " Hz to 16000 Hz");
  }
}

Resampler::~Resampler() = default;
Resampler::Resampler(Resampler&&) noexcept = default;
Resampler& Resampler::operator=(Resampler&&) noexcept = default;

// A null pointer tells soxr that the input has ended.
void Resampler::Pull(const float* samples, size_t count, std::vector<float>& out) {
  std::array<float, 8192> ready;
  for (;;) {
    size_t used = 0;
    size_t made = 0;
    const soxr_error_t error =
        soxr_process(engine_->soxr, samples, count, &used, ready.data(), ready.size(), &made);
    if (error != nullptr) throw Error(ErrorKind::kInternal, "resampling failed");
    out.insert(out.end(), ready.begin(), ready.begin() + static_cast<ptrdiff_t>(made));
    pulled_ += made;
    if (samples == nullptr) {
      if (made == 0) return;
      continue;
    }
    samples += used;
    count -= used;
    if (count == 0) return;  // what else is ready comes out with the next call
  }
}

void Resampler::Push(std::span<const float> samples, std::vector<float>& out) {
  pushed_ += samples.size();
  if (!engine_) {
    out.insert(out.end(), samples.begin(), samples.end());
    pulled_ += samples.size();
  } else if (!samples.empty()) {
    Pull(samples.data(), samples.size(), out);
  }
}

void Resampler::Finish(std::vector<float>& out) {
  if (!engine_ || pushed_ == 0) return;
  Pull(nullptr, 0, out);
  // librosa's rule for the length; soxr may be one off.
  const double ratio = static_cast<double>(kModelSampleRateHz) / from_hz_;
  const auto wanted = static_cast<uint64_t>(std::ceil(static_cast<double>(pushed_) * ratio));
  if (pulled_ > wanted) out.resize(out.size() - std::min<uint64_t>(pulled_ - wanted, out.size()));
  if (pulled_ < wanted) out.resize(out.size() + (wanted - pulled_), 0.0f);
  pulled_ = wanted;
}

}  // namespace gemma3n
