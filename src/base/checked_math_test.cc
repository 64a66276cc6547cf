// SPDX-License-Identifier: Apache-2.0
#include "base/checked_math.h"

#include <gtest/gtest.h>

namespace gemma3n {
namespace {

TEST(CheckedMath, AddsAndMultipliesWithinRange) {
  EXPECT_EQ(CheckedAdd(2, 3), 5u);
  EXPECT_EQ(CheckedMul(1ull << 31, 1ull << 32), 1ull << 63);
}

TEST(CheckedMath, ReportsWrapping) {
  EXPECT_EQ(CheckedAdd(~0ull, 1), std::nullopt);
  EXPECT_EQ(CheckedMul(1ull << 32, 1ull << 32), std::nullopt);
}

}  // namespace
}  // namespace gemma3n
