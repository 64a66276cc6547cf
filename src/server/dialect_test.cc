// SPDX-License-Identifier: Apache-2.0
#include "server/dialect.h"

#include <gtest/gtest.h>

namespace gemma3n::server {
namespace {

TEST(Match, StarIsAtLeastOneCharacterBetweenItsEnds) {
  EXPECT_EQ(Match("/v1/models", "/v1/models"), "");
  EXPECT_EQ(Match("/v1/models", "/v1/models/"), std::nullopt);
  EXPECT_EQ(Match("/v1/models/*", "/v1/models/a:b"), "a:b");
  EXPECT_EQ(Match("/v1/models/*", "/v1/models/"), std::nullopt);
  EXPECT_EQ(Match("/v1/models/*:countTokens", "/v1/models/a/b:countTokens"), "a/b");
  EXPECT_EQ(Match("/v1/models/*:countTokens", "/v1/models/:countTokens"), std::nullopt);
}

TEST(Match, NamesAreDecodedOnce) {
  EXPECT_EQ(Match("/m/*", "/m/a%3Ab%252e"), "a:b%2e");
  EXPECT_EQ(Match("/m/*", "/m/a%0d%0a"), "a\r\n");
  EXPECT_EQ(Match("/m/*", "/m/a%"), std::nullopt);
  EXPECT_EQ(Match("/m/*", "/m/a%4"), std::nullopt);
  EXPECT_EQ(Match("/m/*", "/m/a%zz"), std::nullopt);
}

}  // namespace
}  // namespace gemma3n::server
