// SPDX-License-Identifier: Apache-2.0
#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace gemma3n {
namespace {

TEST(Shape, PrintsAndMultipliesInSixtyFourBits) {
  const Shape table({262144, 8960});
  EXPECT_EQ(table.ToString(), "[262144, 8960]");
  EXPECT_EQ(table.NumElements(), 2348810240);
  EXPECT_EQ(Shape().NumElements(), 1);
}

TEST(DType, EveryHalfSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = ToFloat(F16{static_cast<uint16_t>(bits)});
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(ToFloat(ToF16(value))));
      continue;
    }
    ASSERT_EQ(ToF16(value).bits, bits) << value;
  }
}

TEST(DType, HalfRoundsToNearestEven) {
  EXPECT_EQ(ToF16(1.0f + 1.0f / 2048).bits, 0x3c00);     // tie: down to even
  EXPECT_EQ(ToF16(1.0f + 3.0f / 2048).bits, 0x3c02);     // tie: up to even
  EXPECT_EQ(ToF16(65519.0f).bits, 0x7bff);               // still finite
  EXPECT_EQ(ToF16(65520.0f).bits, 0x7c00);               // infinity
  EXPECT_EQ(ToF16(std::ldexp(1.0f, -25)).bits, 0x0000);  // tie with zero
  EXPECT_EQ(ToF16(std::ldexp(1.5f, -25)).bits, 0x0001);
  EXPECT_EQ(ToF16(std::ldexp(1.0f, -24)).bits, 0x0001);
}

TEST(DType, Bf16RoundsToNearestEven) {
  EXPECT_EQ(ToBf16(1.0f).bits, 0x3f80);
  EXPECT_EQ(ToBf16(1.0f + 1.0f / 256).bits, 0x3f80);
  EXPECT_EQ(ToBf16(1.0f + 3.0f / 256).bits, 0x3f82);
  EXPECT_TRUE(std::isnan(ToFloat(ToBf16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(TensorView, RowsShareMemory) {
  Tensor tensor({3, 2});
  for (size_t i = 0; i < tensor.size(); ++i) tensor.data()[i] = static_cast<float>(i);
  const TensorView rows = tensor.view().Rows(1, 3);
  EXPECT_EQ(rows.shape, Shape({2, 2}));
  EXPECT_EQ(ToFloatVector(rows), (std::vector<float>{2, 3, 4, 5}));
}

}  // namespace
}  // namespace gemma3n
