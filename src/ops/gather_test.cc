// SPDX-License-Identifier: Apache-2.0
#include "ops/gather.h"

#include <gtest/gtest.h>

#include <vector>

#include "ops/linear.h"

namespace gemma3n::ops {
namespace {

TEST(GatherRow, WidensPartOfARow) {
  const std::vector<Bf16> table = {ToBf16(1), ToBf16(2), ToBf16(3),
                                   ToBf16(4), ToBf16(5), ToBf16(6)};
  const TensorView view{DType::kBF16, {2, 3}, reinterpret_cast<const std::byte*>(table.data())};
  std::vector<float> out(2);
  GatherRow(view, {.row = 1, .begin = 1}, out);
  EXPECT_EQ(out, (std::vector<float>{5, 6}));
}

TEST(SelectedLinear, GivesTheBitsOfLinear) {
  constexpr int64_t kIn = 70, kOut = 50;
  Tensor weight({kOut, kIn});
  std::vector<float> x(kIn), all(kOut);
  for (int64_t i = 0; i < kIn; ++i) x[i] = 0.37f * static_cast<float>(i % 11) - 1.3f;
  for (size_t i = 0; i < weight.size(); ++i) weight.data()[i] = 0.01f * static_cast<float>(i % 97);
  ThreadPool pool(2);
  Linear({x.data(), 1, kIn}, weight.view(), {all.data(), 1, kOut}, pool);
  std::vector<int32_t> outputs;
  for (int32_t i = 1; i < kOut; i += 2) outputs.push_back(i);
  std::vector<float> some(outputs.size());
  SelectedLinear(x, weight.view(), outputs, some, pool);
  for (size_t i = 0; i < outputs.size(); ++i) EXPECT_EQ(some[i], all[outputs[i]]);
}

}  // namespace
}  // namespace gemma3n::ops
