// SPDX-License-Identifier: Apache-2.0
// Precision follows the reference on NumPy 2: samples, window, transform and magnitudes in float32,
// filters, logarithm and per-bin scaling in float64. KISS FFT's plan holds
// scratch of its own, so one extractor serves one thread at a time.
#include "audio/mel.h"

#include <kiss_fftr.h>

#include <algorithm>
#include <cmath>

namespace gemma3n {
namespace {

double HzToMel(double hz) {
  return 2595.0 * std::log10(1.0 + hz / 700.0);
}
double MelToHz(double mel) {
  return 700.0 * (std::pow(10.0, mel / 2595.0) - 1.0);
}

}  // namespace

struct MelExtractor::Fft {
  explicit Fft(int64_t length)
      : plan(kiss_fftr_alloc(static_cast<int>(length), 0, nullptr, nullptr)),
        input(length),
        output(length / 2 + 1) {
    if (plan == nullptr) throw std::bad_alloc();
  }
  ~Fft() { kiss_fftr_free(plan); }
  kiss_fftr_cfg plan;
  std::vector<float> input;
  std::vector<kiss_fft_cpx> output;
};

MelExtractor::MelExtractor(const MelConfig& config)
    : config_(config), fft_(std::make_shared<Fft>(config.fft_length)), samples_(1) {
  for (int64_t i = 0; i < config_.frame_length; ++i) {
    const float phase = static_cast<float>(2.0 * M_PI) * static_cast<float>(i) /
                        static_cast<float>(config_.frame_length);
    window_.push_back(0.5f * (1.0f - std::cos(phase)));
  }
  const double low = HzToMel(config_.min_frequency_hz), high = HzToMel(config_.max_frequency_hz);
  std::vector<double> points;
  for (int64_t i = 0; i < config_.feature_size + 2; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(config_.feature_size + 1);
    points.push_back(MelToHz(low + (high - low) * share));
  }
  const double bin_hz =
      static_cast<double>(config_.sampling_rate_hz) / static_cast<double>(config_.fft_length);
  for (int64_t j = 0; j < config_.feature_size; ++j) {
    Filter filter{0, {}};
    for (int64_t bin = 0; bin <= config_.fft_length / 2; ++bin) {
      const double hz = static_cast<double>(bin) * bin_hz;
      const double weight = std::min((hz - points[j]) / (points[j + 1] - points[j]),
                                     (points[j + 2] - hz) / (points[j + 2] - points[j + 1]));
      if (weight <= 0) continue;
      if (filter.weights.empty()) filter.first_bin = bin;
      filter.weights.push_back(weight);
    }
    filters_.push_back(std::move(filter));
  }
}

void MelExtractor::ExtractFrame(const float* samples, float* out) const {
  const float emphasis = static_cast<float>(config_.preemphasis);
  std::vector<float>& frame = fft_->input;
  std::fill(frame.begin() + config_.frame_length, frame.end(), 0.0f);
  const float scale = static_cast<float>(config_.input_scale_factor);
  for (int64_t i = 0; i < config_.frame_length; ++i) {
    float value;
    if (config_.preemphasis == 0.0) {
      value = samples[i] * scale;
    } else if (!config_.preemphasis_htk_flavor) {
      value = samples[i + 1] * scale - emphasis * (samples[i] * scale);
    } else if (i == 0) {
      value = samples[0] * scale * static_cast<float>(1.0 - config_.preemphasis);
    } else {
      value = samples[i] * scale - emphasis * (samples[i - 1] * scale);
    }
    frame[i] = value * window_[i];
  }
  kiss_fftr(fft_->plan, frame.data(), fft_->output.data());
  for (int64_t j = 0; j < config_.feature_size; ++j) {
    const Filter& filter = filters_[j];
    double sum = 0;
    for (size_t i = 0; i < filter.weights.size(); ++i) {
      const kiss_fft_cpx& bin = fft_->output[filter.first_bin + i];
      sum += static_cast<double>(std::hypot(bin.r, bin.i)) * filter.weights[i];
    }
    double value = std::log(std::max(sum, config_.mel_floor));
    if (!config_.per_bin_mean.empty()) value -= config_.per_bin_mean[j];
    if (!config_.per_bin_stddev.empty()) value /= config_.per_bin_stddev[j];
    out[j] = static_cast<float>(value);
  }
}

// Windows of the reference are one sample longer than a frame, which decides how many there are:
// a frame that is whole may still have to wait for the sample behind it.
int64_t MelExtractor::KnownFrames() const {
  const bool reads_on = config_.preemphasis != 0.0 && !config_.preemphasis_htk_flavor;
  const int64_t needed = config_.frame_length + (reads_on ? 1 : 0), samples = samples_.end();
  const int64_t whole = samples < needed ? 0 : (samples - needed) / config_.hop_length + 1;
  return std::min(whole, config_.NumFrames(samples));
}

Tensor MelExtractor::Extract(std::span<const float> samples, bool last) {
  std::copy(samples.begin(), samples.end(), samples_.Append(static_cast<int64_t>(samples.size())));
  const int64_t frames = last ? config_.NumFrames(samples_.end()) : KnownFrames();
  if (last && frames > frames_) {
    const int64_t end = (frames - 1) * config_.hop_length + config_.frame_length + 1;
    samples_.Append(std::max<int64_t>(0, end - samples_.end()));
  }
  Tensor features({frames - frames_, config_.feature_size});
  for (int64_t i = 0; i < features.shape()[0]; ++i, ++frames_) {
    ExtractFrame(samples_.row(frames_ * config_.hop_length), features.row(i));
  }
  samples_.DropBefore(frames_ * config_.hop_length);
  return features;
}

}  // namespace gemma3n
