// SPDX-License-Identifier: Apache-2.0
#include "server/base64.h"

#include <gtest/gtest.h>

#include "server/test_base64.h"

namespace gemma3n::server {
namespace {

TEST(Base64, GivesTheBytes) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(DecodeBase64(Encode(bytes)), bytes) << i;
    EXPECT_EQ(EncodeBase64(bytes), Encode(bytes)) << i;
    bytes += static_cast<char>(i * 37);
  }
}

TEST(Base64, hostile_A15_HasOneSpellingOfThem) {
  EXPECT_EQ(DecodeBase64("QQ=="), "A");
  for (const char* wrong : {"QQ", "QQ=", "QR==", "QQ===", "QUJ=", "Q===", "====", "=QQQ", "QQ=Q",
                            "QQ==QQ==", "Q Q=", "QQ\n=", "-_-_", "QQQ\xff"}) {
    EXPECT_EQ(DecodeBase64(wrong), std::nullopt) << wrong;
  }
  EXPECT_EQ(DecodeBase64(std::string_view("QQ\0=", 4)), std::nullopt);
}

}  // namespace
}  // namespace gemma3n::server
