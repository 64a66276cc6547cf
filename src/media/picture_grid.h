// SPDX-License-Identifier: Apache-2.0
// A picture as 32 by 18 cells of colour, and by how much two of them differ: the measure of
// PictureChange and of scenes. Here in full, so that gemma3n-media has the very same.
//
// The root of the mean square, and not the mean, since what moves changes few cells much, and noise
// and light change all of them a little. An even change of brightness counts for half: it is
// mostly the light's or the exposure's.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

namespace gemma3n {

struct PictureGrid {
  static constexpr int kWidth = 32, kHeight = 18, kChannels = 3;
  std::array<float, size_t{kWidth} * kHeight * kChannels> cells;  // RGB, full scale at 1
};

// In [0, 1].
inline double GridChange(const PictureGrid& a, const PictureGrid& b) {
  constexpr double kBrightness = 0.5;
  const auto count = static_cast<double>(a.cells.size());
  double sum = 0, squares = 0;
  for (size_t i = 0; i < a.cells.size(); ++i) {
    const double difference = double{b.cells[i]} - double{a.cells[i]};
    sum += difference;
    squares += difference * difference;
  }
  const double mean = sum / count;
  const double variance = squares / count - mean * mean;
  return std::sqrt(std::fmax(0, variance) + kBrightness * kBrightness * mean * mean);
}

}  // namespace gemma3n
