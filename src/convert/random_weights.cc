// SPDX-License-Identifier: Apache-2.0
// Integers from a counter, then one multiplication and one addition in double: nothing in here
// depends on a library's last bit. Compiled without contraction of the two into one operation.
#include "convert/random_weights.h"

#include <cmath>
#include <string_view>

namespace gemma3n {
namespace {

// Standard deviation of the sum of four independent 16-bit numbers, 65536 / sqrt(3).
constexpr double kIntegerDeviation = 37837.227240;

uint64_t Mix(uint64_t z) {  // SplitMix64's finalizer
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

uint64_t HashName(std::string_view name) {  // FNV-1a
  uint64_t hash = 0xCBF29CE484222325u;
  for (char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  return hash;
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

struct Spread {
  double mean, deviation;
};

Spread SpreadOf(const std::string& name, const Shape& shape) {
  const int64_t inputs = shape.rank() < 2 ? 1 : shape.NumElements() / shape[0];
  const double fan_in = static_cast<double>(inputs);
  const double width = static_cast<double>(shape.back());
  const auto ends = [&](const char* end) { return EndsWith(name, end); };
  // AltUp's router sees its input divided by its width: its answers should still reach tanh's bend.
  if (ends("modality_router.weight")) return {0, 0.7 * std::sqrt(width)};
  if (ends("prediction_coefs.weight")) return {0, 0.1};
  if (ends("correction_coefs.weight")) return {0, 0.2};
  if (ends("correct_output_scale")) return {1, 0.1};
  if (ends("layer_scale.gamma")) return {0.3, 0.05};
  if (ends("per_dim_scale")) return {0, 0.2};
  if (ends("conv_stem.conv.bias")) return {0, 0.1};
  // Tied to the head: wide enough that the likeliest token stands out.
  if (ends("embed_tokens.weight")) return {0, 2.5 / std::sqrt(width)};
  if (ends("embed_vision.embedding.weight") || ends("embed_audio.embedding.weight")) return {0, 1};
  // Scaled by the square root of a layer's share when it is read, which is far below the whole row.
  if (ends("embed_tokens_per_layer.weight")) return {0, 1.0 / 16.0};
  // Scores are not scaled in this family: with norms of one, attention to 256 dimensions would be
  // one-hot, and every further layer would magnify the rounding of the one before.
  if (ends("q_norm.weight") || ends("k_norm.weight")) {
    const double mean = 1.0 / std::sqrt(std::sqrt(width));
    return {mean, 0.1 * mean};
  }
  if (shape.rank() == 1) return {1, 0.1};  // norms
  return {0, 1.0 / std::sqrt(fan_in)};
}

}  // namespace

RandomWeights::RandomWeights(uint64_t seed, const std::string& name, const Shape& shape)
    : key_(Mix(seed ^ HashName(name))) {
  const Spread spread = SpreadOf(name, shape);
  mean_ = spread.mean;
  scale_ = spread.deviation / kIntegerDeviation;
}

void RandomWeights::Fill(uint64_t first, std::span<float> out) const {
  for (size_t i = 0; i < out.size(); ++i) {
    const uint64_t bits = Mix(key_ + (first + i) * 0x9E3779B97F4A7C15u);
    const int64_t sum = static_cast<int64_t>((bits & 0xFFFF) + (bits >> 16 & 0xFFFF) +
                                             (bits >> 32 & 0xFFFF) + (bits >> 48)) -
                        131070;
    const double product = scale_ * static_cast<double>(sum);
    out[i] = static_cast<float>(mean_ + product);
  }
}

}  // namespace gemma3n
