// SPDX-License-Identifier: Apache-2.0
// Limits and deadlines, with small ones, on real sockets. What the framing must be is tested from
// outside (tests/cli/server_hostile_test.py).
#include "server/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "server/acceptor.h"

namespace gemma3n::server {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// Answers with the body it was sent; on /stream with pieces until nobody takes them.
class Echo : public Handler {
 public:
  void Admit(Request& request) override {
    if (request.path == "/no") throw Refusal(Reason::kNotFound, "no");
  }
  void Handle(const Request& request, Exchange& exchange) override {
    if (request.path == "/throw") throw std::bad_alloc();
    if (request.path != "/stream") return exchange.Send({.body = request.body});
    exchange.BeginStream({});
    const std::string piece(100'000, 'x');
    while (exchange.Write(piece)) {
    }
    stream_ended = true;
  }
  Response Refused(const Request&, const Refusal& refusal) override {
    return {.body = refusal.what()};
  }
  Headers Common(const Request&) override { return {}; }
  void Finished(const Request&, int, uint64_t, double) override {}

  std::atomic<bool> stream_ended = false;
};

class HttpTest : public testing::Test {
 protected:
  HttpTest() {
    limits_ = {.body_bytes = 1000,
               .all_bodies_bytes = 1500,
               .header_seconds = 0.3,
               .idle_seconds = 0.3,
               .body_grace_seconds = 0.3,
               .body_bytes_per_second = 1e6,
               .stalled_seconds = 0.3,
               .connections = 4};
    std::vector<Listener> listeners = ListenOn("127.0.0.1", 0);
    socklen_t size = sizeof(address_);
    getsockname(listeners[0].socket.descriptor(), reinterpret_cast<sockaddr*>(&address_), &size);
    acceptor_ = std::make_unique<Acceptor>(std::move(listeners), limits_, echo_);
    acceptor_->Start();
  }

  Socket Connect() {
    Socket client(socket(address_.ss_family, SOCK_STREAM, 0));
    EXPECT_EQ(connect(client.descriptor(), reinterpret_cast<sockaddr*>(&address_),
                      sizeof(sockaddr_storage)),
              0);
    return client;
  }
  static void Put(Socket& client, const std::string& text) {
    EXPECT_EQ(client.Write(text, std::chrono::seconds(10)), Socket::Outcome::kDone);
  }
  // All that comes until the server closes.
  static std::string Rest(Socket& client) {
    std::string text;
    const auto end = Clock::now() + std::chrono::seconds(20);
    while (client.Read(text, 4096, end) == Socket::Outcome::kDone) {
    }
    EXPECT_LT(Clock::now(), end);
    return text;
  }
  static std::string Some(Socket& client) {
    std::string text;
    client.Read(text, 4096, Clock::now() + std::chrono::seconds(20));
    return text;
  }
  static std::string Post(size_t length, const std::string& body) {
    return "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n" +
           body;
  }

  ServerLimits limits_;
  Echo echo_;
  sockaddr_storage address_{};
  std::unique_ptr<Acceptor> acceptor_;
};

TEST_F(HttpTest, HeadersThatDoNotComeAreNotWaitedFor) {
  Socket client = Connect();
  Put(client, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
  EXPECT_THAT(Rest(client), StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpTest, ABodyThatDoesNotComeIsNotWaitedFor) {
  Socket client = Connect();
  Put(client, Post(10, "123"));
  EXPECT_THAT(Rest(client), StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpTest, AConnectionWithoutRequestsCloses) {
  Socket client = Connect();
  EXPECT_THAT(Rest(client), IsEmpty());
  Socket later = Connect();
  Put(later, Post(3, "abc"));
  EXPECT_THAT(Rest(later), testing::EndsWith("\r\n\r\nabc"));  // answered, then it was idle
}

TEST_F(HttpTest, AReaderThatStopsEndsItsStream) {
  Socket client = Connect();
  Put(client, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(Some(client), StartsWith("HTTP/1.1 200 "));
  const auto end = Clock::now() + std::chrono::seconds(20);
  while (!echo_.stream_ended && Clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(echo_.stream_ended);
}

TEST_F(HttpTest, BodiesTogetherHaveALimit) {
  const auto until_held = [&](uint64_t bytes) {
    const auto end = Clock::now() + std::chrono::seconds(20);
    while (acceptor_->body_bytes() != bytes && Clock::now() < end) std::this_thread::yield();
    EXPECT_EQ(acceptor_->body_bytes(), bytes);
  };
  Socket first = Connect(), second = Connect(), third = Connect();
  Put(first, Post(1000, std::string(999, 'a')));
  until_held(999);
  Put(second, Post(600, std::string(600, 'b')));
  EXPECT_THAT(Some(second), HasSubstr("other requests fill the memory"));
  Put(first, "a");
  EXPECT_THAT(Some(first), StartsWith("HTTP/1.1 200 "));
  until_held(0);
  Put(third, Post(600, std::string(600, 'c')));
  EXPECT_THAT(Some(third), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpTest, ConnectionsHaveALimit) {
  std::vector<Socket> held;
  for (int i = 0; i < 4; ++i) {
    held.push_back(Connect());
    Put(held.back(), Post(1, "x"));
    EXPECT_THAT(Some(held.back()), StartsWith("HTTP/1.1 200 "));
  }
  Socket fifth = Connect();
  fifth.Write(Post(1, "x"), std::chrono::seconds(10));  // which fails where it is closed already
  EXPECT_THAT(Some(fifth), IsEmpty());
}

TEST_F(HttpTest, WhatTheHandlerThrowsIsAnAnswer) {
  Socket client = Connect();
  Put(client, "GET /throw HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string answers = Rest(client);
  EXPECT_THAT(answers, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answers, HasSubstr("HTTP/1.1 200 "));  // the connection goes on
}

TEST_F(HttpTest, ClosingWaitsForNobodyIdle) {
  Socket client = Connect();
  Put(client, Post(1, "x"));
  Some(client);
  acceptor_->Close();
  EXPECT_TRUE(acceptor_->WaitUntilIdle(std::chrono::seconds(20)));
  EXPECT_THAT(Rest(client), IsEmpty());
}

}  // namespace
}  // namespace gemma3n::server
