// SPDX-License-Identifier: Apache-2.0
#include "server/url.h"

#include <gtest/gtest.h>

namespace gemma3n::server {
namespace {

TEST(Url, DecodesOnce) {
  EXPECT_EQ(PercentDecoded("a%20b%2Fc%2f+"), "a b/c/+");
  EXPECT_EQ(PercentDecoded("%2541"), "%41");
  EXPECT_EQ(PercentDecoded(""), "");
  for (const char* half : {"%", "%4", "a%zz", "%-1", "%4g"}) {
    EXPECT_EQ(PercentDecoded(half), std::nullopt) << half;
  }
}

TEST(Url, FindsValuesOfAQuery) {
  constexpr char kQuery[] = "alt=sse&key=a%2Bb+c&&empty=&bare&%6Bind=x&key=second&bad=%";
  EXPECT_EQ(QueryValue(kQuery, "alt"), "sse");
  EXPECT_EQ(QueryValue(kQuery, "key"), "a+b c");
  EXPECT_EQ(QueryValue(kQuery, "empty"), "");
  EXPECT_EQ(QueryValue(kQuery, "bare"), "");
  EXPECT_EQ(QueryValue(kQuery, "kind"), "x");
  EXPECT_EQ(QueryValue(kQuery, "ke"), std::nullopt);
  EXPECT_EQ(QueryValue(kQuery, "bad"), std::nullopt);
  EXPECT_EQ(QueryValue("", "key"), std::nullopt);
  EXPECT_EQ(QueryValue("a=b=c", "a"), "b=c");
}

}  // namespace
}  // namespace gemma3n::server
