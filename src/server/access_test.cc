// SPDX-License-Identifier: Apache-2.0
#include "server/access.h"

#include <gtest/gtest.h>

namespace gemma3n::server {
namespace {

Request Asked(const std::string& host, Headers more = {}) {
  Request request{.method = "GET", .path = "/", .headers = {{"Host", host}}, .peer = "127.0.0.1"};
  request.headers.insert(request.headers.end(), more.begin(), more.end());
  return request;
}

TEST(Access, KnowsItsNames) {
  const ServerOptions options{.host_names = {"box.lan"}};
  const Access loopback(options, true), everywhere(options, false);
  for (const char* host :
       {"localhost", "LocalHost:80", "x.localhost", "127.0.0.1:5", "[::1]:5", "box.lan:80"}) {
    EXPECT_NO_THROW(loopback.CheckHost(Asked(host))) << host;
    EXPECT_NO_THROW(everywhere.CheckHost(Asked(host))) << host;
  }
  for (const char* host : {"evil.example", "127.1", "0x7f.1", "2130706433", "0177.0.0.1",
                           "0.0.0.0:80", "[::]", "[::1", "[", "", ":80", "localhost.", "1"}) {
    EXPECT_THROW(loopback.CheckHost(Asked(host)), Refusal) << host;
    EXPECT_THROW(everywhere.CheckHost(Asked(host)), Refusal) << host;
  }
  for (const char* host : {"192.168.1.20:80", "[fe80::1]:80"}) {
    EXPECT_THROW(loopback.CheckHost(Asked(host)), Refusal) << host;
    EXPECT_NO_THROW(everywhere.CheckHost(Asked(host))) << host;
  }
}

TEST(Access, TellsKeysApart) {
  const ServerOptions options{.api_keys = {"first", "second key"}};
  Access access(options, true);
  const auto owner = [&](const std::string& given) {
    return access.CheckKey(Asked("localhost", {{"authorization", given}}));
  };
  EXPECT_EQ(owner("Bearer first"), "1");
  EXPECT_EQ(owner("BEARER second key"), "2");
  for (const char* wrong : {"Bearer firs", "Bearer first ", "Bearer firstfirst", "first", ""}) {
    EXPECT_THROW(owner(wrong), Refusal) << wrong;
  }
}

TEST(Access, BearsTenGuessesASecondOfOneAddress) {
  const ServerOptions options{.api_keys = {"key"}};
  Access access(options, true);
  const auto reason = [&](const std::string& peer, const std::string& key) {
    Request request = Asked("localhost", {{"Authorization", "Bearer " + key}});
    request.peer = peer;
    try {
      access.CheckKey(request);
    } catch (const Refusal& refusal) {
      return refusal.reason;
    }
    return Reason::kInternal;
  };
  for (int i = 0; i < 10; ++i) EXPECT_EQ(reason("10.0.0.1", "x"), Reason::kInvalidKey);
  EXPECT_EQ(reason("10.0.0.1", "x"), Reason::kTooManyGuesses);
  EXPECT_EQ(reason("10.0.0.1", "key"), Reason::kTooManyGuesses);  // else guessing would go on
  EXPECT_EQ(reason("10.0.0.2", "x"), Reason::kInvalidKey);
  EXPECT_EQ(reason("10.0.0.2", "key"), Reason::kInternal);
}

}  // namespace
}  // namespace gemma3n::server
