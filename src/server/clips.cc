// SPDX-License-Identifier: Apache-2.0
#include "server/clips.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace gemma3n::server {
namespace {

constexpr size_t kRateHz = 16000;
constexpr size_t kFrame = 320;  // samples: how finely the quiet is looked for

// Where to cut so that the first part has `least` to `most` samples: in the middle of the quietest
// frame.
size_t QuietPlace(std::span<const float> samples, size_t least, size_t most) {
  size_t place = most;
  float quietest = std::numeric_limits<float>::infinity();
  for (size_t at = least; at + kFrame <= most; at += kFrame / 2) {
    const auto frame = samples.subspan(at, kFrame);
    const float loud = std::inner_product(frame.begin(), frame.end(), frame.begin(), 0.0f);
    if (loud < quietest) {
      quietest = loud;
      place = at + kFrame / 2;
    }
  }
  return place;
}

}  // namespace

Clips CutClips(std::span<const float> samples, double most_s) {
  const auto most = static_cast<size_t>(std::max(1.0, most_s) * kRateHz);
  Clips clips;
  while (!samples.empty()) {
    const size_t end =
        samples.size() <= most ? samples.size() : QuietPlace(samples, most * 2 / 3, most);
    clips.push_back(std::make_shared<const AudioClip>(
        AudioClip{{samples.begin(), samples.begin() + static_cast<ptrdiff_t>(end)}}));
    samples = samples.subspan(end);
  }
  return clips;
}

std::vector<Part> PartsOf(const Clips& clips) {
  std::vector<Part> parts;
  for (const auto& clip : clips) parts.emplace_back("").content = clip;
  return parts;
}

}  // namespace gemma3n::server
