// SPDX-License-Identifier: Apache-2.0
#include "speech/compression.h"

#include <gtest/gtest.h>

namespace gemma3n {
namespace {

// Python: len(text) / len(zlib.compress(text))
TEST(CompressionRatio, IsThatOfZlib) {
  EXPECT_EQ(CompressionRatio(""), 0);
  EXPECT_DOUBLE_EQ(CompressionRatio("traz a taça preta"), 18.0 / 26);
  std::string circles;
  for (int i = 0; i < 40; ++i) circles += "and so on ";
  EXPECT_DOUBLE_EQ(CompressionRatio(circles), 400.0 / 23);
}

}  // namespace
}  // namespace gemma3n
