// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa.h"

#include <gtest/gtest.h>

#include "gemma3n/error.h"

namespace gemma3n::kernels {
namespace {

TEST(Isa, EveryAvailableOneCanBeForced) {
  const std::vector<std::string> all = AvailableIsas();
  ASSERT_FALSE(all.empty());
  for (const std::string& name : all) {
    ForceIsa(name);
    EXPECT_EQ(ActiveIsa(), name);
  }
  AllowEveryIsa();
  EXPECT_EQ(AvailableIsas(), all);
  EXPECT_EQ(ActiveIsa(), all.front());
}

TEST(Isa, UnknownNameIsAnError) {
  EXPECT_THROW(ForceIsa("abacus"), Error);
}

}  // namespace
}  // namespace gemma3n::kernels
