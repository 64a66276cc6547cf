// SPDX-License-Identifier: Apache-2.0
#include "tiny/random_audio.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace gemma3n {

RandomAudio::RandomAudio(const AudioConfig& config, uint64_t seed, DType dtype)
    : config_(config), dtype_(dtype), random_(seed) {
  int64_t channels = 1;
  for (size_t i = 0; i < config.convolutions.size(); ++i) {
    const AudioConfig::Convolution& conv = config.convolutions[i];
    const int64_t depth = conv.kernel_time * conv.kernel_frequency * channels;
    weights_.subsampling.convolutions[i] = {
        Floats(depth, conv.channels, 1.0f / std::sqrt(static_cast<float>(depth))),
        Norm(conv.channels)};
    channels = conv.channels;
  }
  weights_.subsampling.input_proj_linear =
      Matrix(config.hidden_size, config.convolutions[1].output_frequencies * channels);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) weights_.conformer.push_back(Block());
}

TensorView RandomAudio::Matrix(int64_t out, int64_t in) {
  TensorView view{dtype_, {out, in}, nullptr};
  memory_.emplace_back(view.bytes());
  view.data = memory_.back().data();
  if (packed::IsTiled(dtype_)) {
    FillTiles(memory_.back().data(), out, in);
    return view;
  }
  const float scale = 1.0f / std::sqrt(static_cast<float>(in));
  void* data = memory_.back().data();
  for (int64_t i = 0; i < out * in; ++i) {
    const float value = scale * random_.Normal();
    if (dtype_ == DType::kF32) static_cast<float*>(data)[i] = value;
    if (dtype_ == DType::kBF16) static_cast<Bf16*>(data)[i] = ToBf16(value);
    if (dtype_ == DType::kF16) static_cast<F16*>(data)[i] = ToF16(value);
  }
  return view;
}

// Tiles of 8 bits are rounded; those of 4 are random bits whose elements' deviation is 42 scales.
void RandomAudio::FillTiles(std::byte* data, int64_t out, int64_t in) {
  const int64_t tile_bytes = packed::UnitBytes(dtype_, in);
  const float scale = 1.0f / std::sqrt(static_cast<float>(in));
  std::vector<float> rows(packed::kTileRows * in);
  for (int64_t tile = 0; tile < packed::Tiles(out); ++tile, data += tile_bytes) {
    if (dtype_ == DType::kQ8Tiles) {
      for (float& value : rows) value = scale * random_.Normal();
      packed::PackQ8Tile(rows.data(), std::min(packed::kTileRows, out - tile * packed::kTileRows),
                         in, data);
      continue;
    }
    for (int64_t at = 0; at < tile_bytes; at += 8) {
      const uint64_t bits = random_.Next();
      std::memcpy(data + at, &bits, 8);
    }
    for (int64_t row = 0; row < packed::kTileRows; ++row) {
      const float row_scale = scale / 42.0f;
      std::memcpy(data + row * 4, &row_scale, 4);
    }
  }
}

Tensor RandomAudio::Floats(int64_t rows, int64_t columns, float scale) {
  Tensor values({rows, columns});
  for (float& value : values.span()) value = scale * random_.Normal();
  return values;
}

std::vector<float> RandomAudio::Norm(int64_t size) {
  std::vector<float> weights(size);
  for (float& weight : weights) weight = 1.0f + 0.2f * random_.Normal();
  return weights;
}

ConformerFeedForwardWeights RandomAudio::FeedForward() {
  const int64_t hidden = config_.hidden_size;
  return {Norm(hidden), Norm(hidden), Matrix(4 * hidden, hidden), Matrix(hidden, 4 * hidden)};
}

ConformerBlockWeights RandomAudio::Block() {
  const int64_t hidden = config_.hidden_size;
  ConformerBlockWeights w;
  w.ffw_layer_start = FeedForward();
  w.ffw_layer_end = FeedForward();
  w.pre_attn_norm = Norm(hidden);
  w.post_norm = Norm(hidden);
  w.q_proj = Matrix(hidden, hidden);
  w.k_proj = Matrix(hidden, hidden);
  w.v_proj = Matrix(hidden, hidden);
  w.post = Matrix(hidden, hidden);
  w.query_scale = Norm(config_.head_dim());
  for (float& scale : w.query_scale) scale /= std::sqrt(static_cast<float>(config_.head_dim()));
  w.relative_positions = Floats(config_.attention_window, hidden, 0.5f);
  w.lconv_pre_layer_norm = Norm(hidden);
  w.conv_norm = Norm(hidden);
  w.linear_start = Matrix(2 * hidden, hidden);
  w.depthwise = Floats(config_.conv_kernel_size, hidden, 0.5f);
  w.linear_end = Matrix(hidden, hidden);
  w.norm = Norm(hidden);
  return w;
}

AudioConfig FullAudioConfig() {
  AudioConfig config{};
  config.input_feat_size = 128;
  config.hidden_size = 1536;
  config.num_hidden_layers = 12;
  config.num_attention_heads = 8;
  config.attention_window = 13;
  config.attention_logit_cap = 50;
  config.conv_kernel_size = 5;
  config.reduction_factor = 4;
  config.residual_weight = 0.5f;
  config.gradient_clipping = 1e10f;
  config.rms_norm_eps = 1e-6f;
  config.group_norm_eps = 1e-3f;
  config.convolutions[0] = {128, 3, 3, 2, 2, 128, 64};
  config.convolutions[1] = {32, 3, 3, 2, 2, 64, 32};
  return config;
}

AudioConfig TinyAudioConfig() {
  AudioConfig config = FullAudioConfig();
  config.hidden_size = 256;
  config.num_hidden_layers = 3;
  config.num_attention_heads = 4;
  config.convolutions[0].channels = 8;
  config.convolutions[1].channels = 4;
  return config;
}

}  // namespace gemma3n
