// SPDX-License-Identifier: Apache-2.0
#include "server/access.h"

#include <gtest/gtest.h>

#include <optional>

namespace gemma3n::server {
namespace {

Request Asked(const std::string& host, Headers more = {}) {
  Request request{.method = "GET", .path = "/", .headers = {{"Host", host}}, .peer = "127.0.0.1"};
  request.headers.insert(request.headers.end(), more.begin(), more.end());
  return request;
}

TEST(Access, A01_A02_KnowsItsNames) {
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

TEST(Access, A07_TellsKeysApart) {
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

TEST(Access, A07_BearsTenGuessesASecondOfOneAddress) {
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

// The reason for which a call is refused; nothing when it is not.
template <typename Call>
std::optional<Reason> RefusedFor(const Call& call) {
  try {
    call();
  } catch (const Refusal& refusal) {
    return refusal.reason;
  }
  return std::nullopt;
}

TEST(Access, FindsKeysWhereClientsPutThem) {
  const ServerOptions options{.api_keys = {"first", "sec ond+"}};
  Access access(options, true);
  for (const auto& [name, value] :
       Headers{{"X-Goog-Api-Key", "first"},
               {"Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key.first, other"}}) {
    EXPECT_EQ(access.CheckKey(Asked("localhost", {{name, value}})), "1") << name;
  }
  for (const char* query :
       {"key=sec%20ond%2B", "alt=sse&key=sec+ond%2B", "access_token=sec+ond%2b"}) {
    Request request = Asked("localhost");
    request.query = query;
    EXPECT_EQ(access.CheckKey(request), "2") << query;
  }
  for (const char* query : {"key=", "key=firs", "keys=first", "key=wrong&key=first"}) {
    Request request = Asked("localhost");
    request.query = query;
    EXPECT_EQ(RefusedFor([&] { access.CheckKey(request); }), Reason::kInvalidKey) << query;
  }
}

TEST(Access, KeysThatAreGivenOutAreTheirOwners) {
  const ServerOptions options{.api_keys = {"first", "second"}};
  Access access(options, true);
  const auto bearing = [](const std::string& key) {
    return Asked("localhost", {{"Authorization", "Bearer " + key}});
  };
  const std::string key = access.IssueKey("2", std::chrono::minutes(1));
  EXPECT_TRUE(key.starts_with("ek_"));
  EXPECT_EQ(access.CheckKey(bearing(key)), "2");
  const std::string ended = access.IssueKey("2", std::chrono::seconds(0));
  EXPECT_EQ(RefusedFor([&] { access.CheckKey(bearing(ended)); }), Reason::kInvalidKey);
}

TEST(Access, PagesLogInForACookie) {
  const ServerOptions plain{.api_keys = {"key"}}, secure{.tls = true, .api_keys = {"key"}};
  Access access(plain, true);
  const std::string cookie = access.LogIn(Asked("localhost"), "key");
  EXPECT_TRUE(cookie.starts_with("gemma3n_session="));
  EXPECT_TRUE(cookie.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict"));
  EXPECT_TRUE(Access(secure, true).LogIn(Asked("localhost"), "key").ends_with("; Secure"));
  EXPECT_EQ(RefusedFor([&] { access.LogIn(Asked("localhost"), "other"); }), Reason::kInvalidKey);

  const std::string session = cookie.substr(0, cookie.find(';'));
  const Request later = Asked("localhost", {{"Cookie", "a=b; " + session + "; c=d"}});
  EXPECT_EQ(access.CheckKey(later), "1");
  const std::string token = session.substr(session.find('=') + 1);
  for (const Headers& wrong :
       {Headers{{"Cookie", session + "x"}}, Headers{{"Cookie", "x" + session}},
        Headers{{"Cookie", "gemma3n_session="}}, Headers{{"Authorization", "Bearer " + token}}}) {
    EXPECT_EQ(RefusedFor([&] { access.CheckKey(Asked("localhost", wrong)); }), Reason::kInvalidKey);
  }
  EXPECT_TRUE(access.LogOut(later).starts_with("gemma3n_session=; Path=/; Max-Age=0"));
  for (int i = 0; i < 20; ++i) {  // which are no guesses: the page of the last start asks much
    EXPECT_EQ(RefusedFor([&] { access.CheckKey(later); }), Reason::kInvalidKey);
  }
}

TEST(Access, A03_PagesOfOthersAreRefused) {
  const ServerOptions options{.origins = {"https://page.example"}}, secure{.tls = true};
  const Access plain(options, true), tls(secure, true);
  const auto from = [](const std::string& origin) {
    return Asked("localhost:80", {{"Origin", origin}});
  };
  for (const char* good : {"http://localhost:80", "HTTP://LOCALHOST:80", "https://page.example"}) {
    EXPECT_NO_THROW(plain.CheckOrigin(from(good))) << good;
    EXPECT_FALSE(plain.CrossOrigin(from(good)).empty()) << good;
  }
  for (const char* bad : {"null", "", "https://evil.example", "http://localhost",
                          "http://localhost:81", "https://localhost:80", "http://page.example"}) {
    EXPECT_EQ(RefusedFor([&] { plain.CheckOrigin(from(bad)); }), Reason::kNotAllowed) << bad;
    EXPECT_TRUE(plain.CrossOrigin(from(bad)).empty()) << bad;
  }
  EXPECT_NO_THROW(tls.CheckOrigin(from("https://localhost:80")));
  EXPECT_THROW(tls.CheckOrigin(from("http://localhost:80")), Refusal);
}

TEST(Access, A04_PagesSendJsonAlone) {
  const auto sent = [](const char* type, bool by_page) {
    Request request = Asked("localhost", {{"Content-Type", type}});
    if (by_page) request.headers.emplace_back("Origin", "http://localhost");
    request.method = "POST";
    return RefusedFor([&] { Access::CheckContentType(request); });
  };
  EXPECT_EQ(sent("application/json", true), std::nullopt);
  EXPECT_EQ(sent("Application/JSON; charset=utf-8", true), std::nullopt);
  for (const char* form : {"text/plain", "application/x-www-form-urlencoded",
                           "multipart/form-data; boundary=x", "", "application/jsonx"}) {
    EXPECT_EQ(sent(form, true), Reason::kMediaType) << form;
    EXPECT_EQ(sent(form, false), std::nullopt) << form;  // curl's
  }
}

}  // namespace
}  // namespace gemma3n::server
