// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "gemma3n/picture_stream.h"
#include "media/picture_grid.h"

namespace gemma3n {
namespace {

// Where cell `i` of `cells` begins on a side of `size` pixels; one of few pixels shares them.
int Begin(int i, int cells, int size) {
  return static_cast<int>(int64_t{i} * size / cells);
}
int End(int i, int cells, int size) {
  return std::max(Begin(i + 1, cells, size), Begin(i, cells, size) + 1);
}

// The mean colour of each cell; an empty picture is black.
PictureGrid GridOf(const Image& image) {
  PictureGrid grid = {};
  if (image.rgb.empty()) return grid;
  const auto stride = static_cast<size_t>(image.width) * 3;
  float* cell = grid.cells.data();
  for (int row = 0; row < PictureGrid::kHeight; ++row) {
    const int top = Begin(row, PictureGrid::kHeight, image.height);
    const int bottom = End(row, PictureGrid::kHeight, image.height);
    for (int column = 0; column < PictureGrid::kWidth; ++column, cell += 3) {
      const int left = Begin(column, PictureGrid::kWidth, image.width);
      const int right = End(column, PictureGrid::kWidth, image.width);
      uint64_t sums[3] = {};
      for (int y = top; y < bottom; ++y) {
        const uint8_t* pixel = image.rgb.data() + static_cast<size_t>(y) * stride + left * 3;
        for (int x = left; x < right; ++x, pixel += 3)
          for (int c = 0; c < 3; ++c) sums[c] += pixel[c];
      }
      const auto pixels = static_cast<float>(int64_t{right - left} * (bottom - top));
      for (int c = 0; c < 3; ++c) cell[c] = static_cast<float>(sums[c]) / (255 * pixels);
    }
  }
  return grid;
}

}  // namespace

double PictureChange(const Image& a, const Image& b) {
  return GridChange(GridOf(a), GridOf(b));
}

}  // namespace gemma3n
