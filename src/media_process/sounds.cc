// SPDX-License-Identifier: Apache-2.0
#include "media_process/sounds.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

extern "C" {
#include <libavutil/samplefmt.h>
}

namespace gemma3n {
namespace {

float ToFloat(uint8_t sample) {
  return (static_cast<float>(sample) - 128.0f) / 128.0f;
}
float ToFloat(int16_t sample) {
  return static_cast<float>(sample) / 32768.0f;
}
float ToFloat(int32_t sample) {
  return static_cast<float>(sample) / 2147483648.0f;
}
float ToFloat(float sample) {
  return sample;
}
float ToFloat(double sample) {
  return static_cast<float>(sample);
}

template <class Sample>
void Interleave(const AVFrame& frame, int channels, float* out) {
  const bool planar = av_sample_fmt_is_planar(static_cast<AVSampleFormat>(frame.format)) != 0;
  for (int i = 0; i < frame.nb_samples; ++i) {
    for (int c = 0; c < channels; ++c) {
      const uint8_t* plane = frame.extended_data[planar ? c : 0];
      const int64_t at = planar ? i : int64_t{i} * channels + c;
      Sample sample;
      std::memcpy(&sample, plane + at * static_cast<int64_t>(sizeof sample), sizeof sample);
      *out++ = ToFloat(sample);
    }
  }
}

bool Convert(const AVFrame& frame, int channels, float* out) {
  switch (av_get_packed_sample_fmt(static_cast<AVSampleFormat>(frame.format))) {
    case AV_SAMPLE_FMT_U8:
      Interleave<uint8_t>(frame, channels, out);
      return true;
    case AV_SAMPLE_FMT_S16:
      Interleave<int16_t>(frame, channels, out);
      return true;
    case AV_SAMPLE_FMT_S32:
      Interleave<int32_t>(frame, channels, out);
      return true;
    case AV_SAMPLE_FMT_FLT:
      Interleave<float>(frame, channels, out);
      return true;
    case AV_SAMPLE_FMT_DBL:
      Interleave<double>(frame, channels, out);
      return true;
    default:
      return false;
  }
}

constexpr double kAnyFrame_s = 1e6;  // longer than one frame can be

}  // namespace

void SoundWriter::Align(double start_s, int rate_hz, int channels) {
  started_ = true;
  const double samples = std::round(std::clamp(start_s, -job_.seconds, most_s_) * rate_hz);
  if (samples < 0) to_drop_ = static_cast<int64_t>(-samples);
  const std::vector<float> silence(static_cast<size_t>(rate_hz) * static_cast<size_t>(channels));
  for (auto left = static_cast<int64_t>(std::max(samples, 0.0)); left > 0;) {
    const int64_t now = std::min<int64_t>(left, rate_hz);
    out_.Sound(rate_hz, channels, {silence.data(), static_cast<size_t>(now * channels)});
    written_s_ += static_cast<double>(now) / rate_hz;
    left -= now;
  }
}

void SoundWriter::Write(const AVFrame& frame, double start_s) {
  const int channels = frame.ch_layout.nb_channels;
  const int rate_hz = frame.sample_rate;
  constexpr int kMaxRateHz = 1 << 20;  // the parent has a closer limit
  if (frame.nb_samples <= 0 || channels < 1 || rate_hz < 1 || rate_hz > kMaxRateHz) return;
  if (channels > job_.channels)
    throw DecoderError{DecoderFailure::kTooManyChannels, std::to_string(channels)};
  if (!started_ && start_s > latest_start_s_) return;
  if (!started_) Align(start_s, rate_hz, channels);
  piece_.resize(static_cast<size_t>(frame.nb_samples) * static_cast<size_t>(channels));
  if (!Convert(frame, channels, piece_.data())) return;
  const int64_t drop = std::min<int64_t>(to_drop_, frame.nb_samples);
  to_drop_ -= drop;
  const double room_s = std::clamp(most_s_ - written_s_, 0.0, kAnyFrame_s);
  const int64_t room = std::llround(room_s * rate_hz);
  const int64_t count = std::min(frame.nb_samples - drop, room);
  if (count == 0) return;
  out_.Sound(rate_hz, channels,
             {piece_.data() + drop * channels, static_cast<size_t>(count * channels)});
  written_s_ += static_cast<double>(count) / rate_hz;
}

}  // namespace gemma3n
