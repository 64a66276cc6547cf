// SPDX-License-Identifier: Apache-2.0
#include "tensor/npy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

std::filesystem::path TempFile(const char* name) {
  return std::filesystem::path(testing::TempDir()) / name;
}

TEST(Npy, ReadsBackWhatItWrote) {
  const auto path = TempFile("values.npy");
  const std::vector<float> values = {1, -2.5f, 3e-20f, 4, 5, 6};
  WriteNpy(path, Shape({2, 3}), values);
  EXPECT_EQ(std::filesystem::file_size(path) % 64, values.size() * 4 % 64);
  const Tensor read = ReadNpy(path);
  EXPECT_EQ(read.shape(), Shape({2, 3}));
  EXPECT_TRUE(std::equal(values.begin(), values.end(), read.data()));
}

TEST(Npy, CutFileIsAnError) {
  const auto path = TempFile("cut.npy");
  WriteNpy(path, Shape({4}), std::vector<float>{1, 2, 3, 4});
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  EXPECT_THROW(ReadNpy(path), Error);
}

TEST(Npy, UnwritablePlaceIsAnError) {
  EXPECT_THROW(WriteNpy("/nonexistent/x.npy", Shape({1}), std::vector<float>{1}), Error);
}

}  // namespace
}  // namespace gemma3n
