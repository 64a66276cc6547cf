// SPDX-License-Identifier: Apache-2.0
// The sizes of the audio encoder (Gemma3nAudioConfig) and of the log-mel front end before it
// (Gemma3nAudioFeatureExtractor), read from a checkpoint's files and checked once.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace gemma3n {

struct MelConfig {
  int64_t feature_size = 128;  // mel bins
  int64_t sampling_rate_hz = 16000;
  int64_t frame_length = 512;  // samples
  int64_t hop_length = 160;    // samples
  int64_t fft_length = 1024;
  double min_frequency_hz = 125.0;
  double max_frequency_hz = 7600.0;
  double preemphasis = 0.97;
  bool preemphasis_htk_flavor = true;
  double input_scale_factor = 1.0;
  double mel_floor = 1e-5;
  std::vector<double> per_bin_mean, per_bin_stddev;  // [feature_size] or empty
  int64_t pad_to_multiple_of = 128;  // samples; an argument's default in the reference

  // How many frames a clip of so many samples gives.
  int64_t NumFrames(int64_t samples) const;

  // From preprocessor_config.json, or the feature_extractor part of processor_config.json; the
  // reference's defaults where neither says.
  static MelConfig Load(const Checkpoint& checkpoint);
  // `file` is that object. Throws Error (kModel) naming the field.
  static MelConfig Parse(const JsonValue& file);
};

struct AudioConfig {
  int64_t input_feat_size;
  int64_t hidden_size;
  int64_t num_hidden_layers;
  int64_t num_attention_heads;
  int64_t attention_window;  // frames a frame attends to, itself included
  float attention_logit_cap;
  int64_t conv_kernel_size;
  int64_t reduction_factor;
  float residual_weight;
  float gradient_clipping;
  float rms_norm_eps;
  float group_norm_eps;
  struct Convolution {
    int64_t channels;
    int64_t kernel_time, kernel_frequency;
    int64_t stride_time, stride_frequency;
    int64_t input_frequencies, output_frequencies;
  };
  std::array<Convolution, 2> convolutions;

  int64_t head_dim() const { return hidden_size / num_attention_heads; }
  // From one token to the next, in mel frames.
  int64_t mel_frames_per_token() const {
    return reduction_factor * convolutions[0].stride_time * convolutions[1].stride_time;
  }
  // How many tokens so many conformer frames give: one for each frame_of_token.
  int64_t TokensOf(int64_t frames) const {
    return (frames + reduction_factor - 1) / reduction_factor;
  }
  int64_t frame_of_token(int64_t token) const { return token * reduction_factor; }

  // `audio` is the audio_config object. Throws Error (kModel) naming the field.
  static AudioConfig Parse(const JsonValue& audio);
};

}  // namespace gemma3n
