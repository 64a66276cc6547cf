// SPDX-License-Identifier: Apache-2.0
#include "audio/audio_config.h"

#include <bit>
#include <cmath>
#include <string>
#include <tuple>

namespace gemma3n {
namespace {

constexpr int64_t kMostWidth = 1 << 16;
// More than half a second at 16 kHz; the filters' number of steps is a multiple of it.
constexpr int64_t kMostFrameSamples = 1 << 14;

std::vector<double> PerBin(const JsonValue& value, int64_t bins, double least) {
  std::vector<double> result;
  if (value.IsNull()) return result;
  for (const JsonValue& item : value.Items()) result.push_back(item.Number(least, 1e6));
  if (static_cast<int64_t>(result.size()) != bins) {
    value.Fail("one number for each of the " + std::to_string(bins) + " bins");
  }
  return result;
}

// The two numbers of [time, frequency], of convolution `index`.
std::pair<int64_t, int64_t> TimeFrequency(const JsonValue& list, size_t index, int64_t fallback) {
  if (list.IsNull()) return {fallback, fallback};
  const std::vector<JsonValue> layers = list.Items();
  if (layers.size() != 2) list.Fail("a pair for each of the two convolutions");
  const std::vector<JsonValue> pair = layers[index].Items();
  if (pair.size() != 2) layers[index].Fail("a pair [time, frequency]");
  return {pair[0].Int(1, 64), pair[1].Int(1, 64)};
}

}  // namespace

MelConfig MelConfig::Load(const Checkpoint& checkpoint) {
  JsonValue file = checkpoint.Json("processor_config.json")["feature_extractor"];
  if (!file.IsObject()) file = checkpoint.Json("preprocessor_config.json");
  return Parse(file);
}

MelConfig MelConfig::Parse(const JsonValue& file) {
  MelConfig config;
  config.feature_size = file["feature_size"].IntOr(128, 1, 4096);
  config.sampling_rate_hz = file["sampling_rate"].IntOr(16000, 1000, 192000);
  const double rate = static_cast<double>(config.sampling_rate_hz);
  // Files carry the lengths in samples, as the class keeps them, or in milliseconds, as it takes
  // them.
  const auto samples = [&](const char* in_samples, const char* in_ms, double default_ms) {
    if (file.Has(in_samples)) return file[in_samples].Int(1, kMostFrameSamples);
    const int64_t count = static_cast<int64_t>(
        std::nearbyint(rate * file[in_ms].NumberOr(default_ms, 0.1, 1e4) / 1000.0));
    if (count < 1 || count > kMostFrameSamples) {
      file[in_ms].Fail("a time of 1 to " + std::to_string(kMostFrameSamples) + " samples");
    }
    return count;
  };
  config.frame_length = samples("frame_length", "frame_length_ms", 32.0);
  config.hop_length = samples("hop_length", "hop_length_ms", 10.0);
  const bool overdrive = file["fft_overdrive"].BoolOr(true);
  config.fft_length =
      static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(config.frame_length))) *
      (overdrive ? 2 : 1);
  config.min_frequency_hz = file["min_frequency"].NumberOr(125.0, 0.0, rate);
  config.max_frequency_hz = file["max_frequency"].NumberOr(7600.0, config.min_frequency_hz, rate);
  config.preemphasis = file["preemphasis"].NumberOr(0.97, 0.0, 1.0);
  config.preemphasis_htk_flavor = file["preemphasis_htk_flavor"].BoolOr(true);
  config.input_scale_factor = file["input_scale_factor"].NumberOr(1.0, 1e-9, 1e9);
  config.mel_floor = file["mel_floor"].NumberOr(1e-5, 1e-30, 1e30);
  config.per_bin_mean = PerBin(file["per_bin_mean"], config.feature_size, -1e6);
  config.per_bin_stddev = PerBin(file["per_bin_stddev"], config.feature_size, 1e-9);
  if (file["dither"].NumberOr(0.0) != 0.0)
    file["dither"].Fail("0, since features must not be random");
  return config;
}

int64_t MelConfig::NumFrames(int64_t samples) const {
  const int64_t padded =
      (samples + pad_to_multiple_of - 1) / pad_to_multiple_of * pad_to_multiple_of;
  const int64_t needed = frame_length + 1;
  return padded < needed ? 0 : (padded - needed) / hop_length + 1;
}

AudioConfig AudioConfig::Parse(const JsonValue& audio) {
  AudioConfig config;
  config.input_feat_size = audio["input_feat_size"].IntOr(128, 1, kMostWidth);
  config.hidden_size = audio["hidden_size"].IntOr(1536, 2, kMostWidth);
  config.num_hidden_layers = audio["conf_num_hidden_layers"].IntOr(12, 0, 1024);
  config.num_attention_heads = audio["conf_num_attention_heads"].IntOr(8, 1, config.hidden_size);
  if (config.hidden_size % config.num_attention_heads != 0 || config.hidden_size % 2 != 0) {
    audio["hidden_size"].Fail("an even multiple of conf_num_attention_heads, " +
                              std::to_string(config.num_attention_heads));
  }
  config.attention_window =
      std::max<int64_t>(1, audio["conf_attention_context_left"].IntOr(13, 0, 4096));
  if (audio["conf_attention_context_right"].IntOr(0) != 0) {
    audio["conf_attention_context_right"].Fail("0: this encoder only looks back");
  }
  config.attention_logit_cap =
      static_cast<float>(audio["conf_attention_logit_cap"].NumberOr(50.0, 1e-3, 1e30));
  config.conv_kernel_size = audio["conf_conv_kernel_size"].IntOr(5, 1, 256);
  config.reduction_factor = std::max<int64_t>(1, audio["conf_reduction_factor"].IntOr(4, 0, 256));
  config.residual_weight =
      static_cast<float>(audio["conf_residual_weight"].NumberOr(0.5, -1e3, 1e3));
  config.gradient_clipping =
      static_cast<float>(audio["gradient_clipping"].NumberOr(1e10, 0.0, 3e38));
  config.rms_norm_eps = static_cast<float>(audio["rms_norm_eps"].NumberOr(1e-6, 0.0, 1.0));
  // Google's first files call it sscp_conv_eps, which the reference's class does not read.
  config.group_norm_eps = static_cast<float>(audio["sscp_conv_group_norm_eps"].NumberOr(
      audio["sscp_conv_eps"].NumberOr(1e-3, 0.0, 1.0), 0.0, 1.0));
  const JsonValue channels = audio["sscp_conv_channel_size"];
  if (!channels.IsNull() && channels.size() != 2) channels.Fail("two numbers of channels");
  int64_t frequencies = config.input_feat_size;
  for (size_t i = 0; i < 2; ++i) {
    AudioConfig::Convolution& conv = config.convolutions[i];
    conv.channels =
        channels.IsNull() ? (i == 0 ? 128 : 32) : channels.Items()[i].Int(1, kMostWidth);
    std::tie(conv.kernel_time, conv.kernel_frequency) =
        TimeFrequency(audio["sscp_conv_kernel_size"], i, 3);
    std::tie(conv.stride_time, conv.stride_frequency) =
        TimeFrequency(audio["sscp_conv_stride_size"], i, 2);
    conv.input_frequencies = frequencies;
    const int64_t padded = frequencies + 2;  // one bin on either side
    if (padded < conv.kernel_frequency) {
      audio["sscp_conv_kernel_size"].Fail("kernels that fit " + std::to_string(padded) + " bins");
    }
    frequencies = (padded - conv.kernel_frequency) / conv.stride_frequency + 1;
    conv.output_frequencies = frequencies;
  }
  return config;
}

}  // namespace gemma3n
