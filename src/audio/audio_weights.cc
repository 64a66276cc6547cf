// SPDX-License-Identifier: Apache-2.0
#include "audio/audio_weights.h"

#include <cmath>
#include <string>

#include "checkpoint/tensors.h"
#include "ops/linear.h"

namespace gemma3n {
namespace {

constexpr char kPrefix[] = "model.audio_tower.";

// Stored [channels, input, time, frequency]; wanted as what each number of a patch adds to all
// channels, the input channels of a patch side by side as the rows lie in memory.
SubsamplingWeights::Convolution LoadConvolution(const Tensors& tensors,
                                                const AudioConfig::Convolution& config,
                                                int64_t input_channels) {
  const int64_t times = config.kernel_time, frequencies = config.kernel_frequency;
  const std::vector<float> stored =
      tensors.Floats("conv.weight", {config.channels, input_channels, times, frequencies});
  SubsamplingWeights::Convolution result;
  result.taps = Tensor({times * frequencies * input_channels, config.channels});
  const int64_t taps = times * frequencies;
  for (int64_t out = 0; out < config.channels; ++out) {
    for (int64_t in = 0; in < input_channels; ++in) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        result.taps.row(tap * input_channels + in)[out] =
            stored[(out * input_channels + in) * taps + tap];
      }
    }
  }
  result.norm = tensors.Vector("norm.weight", config.channels);
  return result;
}

SubsamplingWeights LoadSubsampling(const Tensors& tensors, const AudioConfig& config) {
  SubsamplingWeights weights;
  int64_t channels = 1;
  for (size_t i = 0; i < weights.convolutions.size(); ++i) {
    weights.convolutions[i] = LoadConvolution(tensors.Below("conv_" + std::to_string(i)),
                                              config.convolutions[i], channels);
    channels = config.convolutions[i].channels;
  }
  weights.input_proj_linear = tensors.Tiles("input_proj_linear.weight", config.hidden_size,
                                            config.convolutions[1].output_frequencies * channels);
  return weights;
}

ConformerFeedForwardWeights LoadFeedForward(const Tensors& tensors, int64_t hidden) {
  ConformerFeedForwardWeights weights;
  weights.pre_layer_norm = tensors.Vector("pre_layer_norm.weight", hidden);
  weights.post_layer_norm = tensors.Vector("post_layer_norm.weight", hidden);
  weights.ffw_layer_1 = tensors.Tiles("ffw_layer_1.weight", 4 * hidden, hidden);
  weights.ffw_layer_2 = tensors.Tiles("ffw_layer_2.weight", hidden, 4 * hidden);
  return weights;
}

// head_dim^-1/2 / softplus(0) * softplus(per_dim_scale): a zero scale leaves plain attention.
std::vector<float> QueryScale(const std::vector<float>& per_dim_scale) {
  const double constant =
      1.0 / std::sqrt(static_cast<double>(per_dim_scale.size())) / std::log(2.0);
  std::vector<float> scale;
  for (float value : per_dim_scale) {
    const double softplus = value > 20 ? value : std::log1p(std::exp(static_cast<double>(value)));
    scale.push_back(static_cast<float>(constant * softplus));
  }
  return scale;
}

// Sinusoids of each distance into the past, projected: they do not depend on the input.
Tensor RelativePositions(const TensorView& pos_proj, const AudioConfig& config, ThreadPool& pool) {
  const int64_t hidden = config.hidden_size, half = hidden / 2;
  Tensor sinusoids({config.attention_window, hidden});
  const double increment = std::log(1.0e4) / static_cast<double>(std::max<int64_t>(half - 1, 1));
  for (int64_t distance = 0; distance < config.attention_window; ++distance) {
    for (int64_t i = 0; i < half; ++i) {
      const float rate = static_cast<float>(std::exp(-static_cast<double>(i) * increment));
      const float angle = static_cast<float>(distance) * rate;
      sinusoids.row(distance)[i] = std::sin(angle);
      sinusoids.row(distance)[half + i] = std::cos(angle);
    }
  }
  Tensor projected({config.attention_window, hidden});
  ops::Linear({sinusoids.data(), config.attention_window, hidden}, pos_proj,
              {projected.data(), config.attention_window, hidden}, pool);
  return projected;
}

ConformerBlockWeights LoadBlock(const Tensors& tensors, const AudioConfig& config,
                                ThreadPool& pool) {
  const int64_t hidden = config.hidden_size;
  ConformerBlockWeights weights;
  weights.ffw_layer_start = LoadFeedForward(tensors.Below("ffw_layer_start"), hidden);
  weights.ffw_layer_end = LoadFeedForward(tensors.Below("ffw_layer_end"), hidden);
  const Tensors attention = tensors.Below("attention");
  weights.pre_attn_norm = attention.Vector("pre_attn_norm.weight", hidden);
  weights.post_norm = attention.Vector("post_norm.weight", hidden);
  weights.q_proj = attention.Tiles("attn.q_proj.weight", hidden, hidden);
  weights.k_proj = attention.Tiles("attn.k_proj.weight", hidden, hidden);
  weights.v_proj = attention.Tiles("attn.v_proj.weight", hidden, hidden);
  weights.post = attention.Tiles("post.weight", hidden, hidden);
  weights.query_scale = QueryScale(attention.Floats("attn.per_dim_scale", {config.head_dim()}));
  weights.relative_positions = RelativePositions(
      attention.Tiles("attn.relative_position_embedding.pos_proj.weight", hidden, hidden), config,
      pool);
  const Tensors lconv = tensors.Below("lconv1d");
  weights.lconv_pre_layer_norm = lconv.Vector("pre_layer_norm.weight", hidden);
  weights.conv_norm = lconv.Vector("conv_norm.weight", hidden);
  weights.linear_start = lconv.Tiles("linear_start.weight", 2 * hidden, hidden);
  weights.linear_end = lconv.Tiles("linear_end.weight", hidden, hidden);
  const int64_t kernel = config.conv_kernel_size;
  const std::vector<float> stored = lconv.Floats("depthwise_conv1d.weight", {hidden, 1, kernel});
  weights.depthwise = Tensor({kernel, hidden});
  for (int64_t channel = 0; channel < hidden; ++channel) {
    for (int64_t tap = 0; tap < kernel; ++tap) {
      weights.depthwise.row(tap)[channel] = stored[channel * kernel + tap];
    }
  }
  weights.norm = tensors.Vector("norm.weight", hidden);
  return weights;
}

}  // namespace

std::string AudioWeights::BlockPrefix(size_t block) {
  return kPrefix + ("conformer." + std::to_string(block) + ".");
}

AudioWeights AudioWeights::Load(const Checkpoint& checkpoint, const AudioConfig& config,
                                ThreadPool& pool) {
  const Tensors tensors(checkpoint, kPrefix);
  AudioWeights weights;
  weights.subsampling = LoadSubsampling(tensors.Below("subsample_conv_projection"), config);
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    weights.conformer.push_back(
        LoadBlock({checkpoint, BlockPrefix(static_cast<size_t>(layer))}, config, pool));
  }
  return weights;
}

}  // namespace gemma3n
