// SPDX-License-Identifier: Apache-2.0
// Limits and deadlines, with small ones, on real sockets. What the framing must be is tested from
// outside (tests/cli/server_hostile_test.py).
#include "server/http.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>

#include "server/test_service.h"

namespace gemma3n::server {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// Remembers what came; takes no exclamation mark.
class Sink : public BodySink {
 public:
  void Take(std::string_view piece) override {
    if (piece.find('!') != piece.npos) throw Refusal(Reason::kInvalidValue, "no mark");
    bytes += piece;
  }
  void End() override { bytes += "."; }
  std::string bytes;
};

// Answers with the body it was sent; on /stream with pieces until nobody takes them.
class Echo : public Handler {
 public:
  void Admit(Request& request) override {
    if (request.path == "/no") throw Refusal(Reason::kNotFound, "no");
    if (request.path == "/upload") request.sink = std::make_shared<Sink>();
  }
  void Handle(const Request& request, Exchange& exchange) override {
    if (request.path == "/throw") throw std::bad_alloc();
    if (request.sink != nullptr) {
      EXPECT_THAT(request.body, IsEmpty());
      return exchange.Send({.body = dynamic_cast<Sink&>(*request.sink).bytes});
    }
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

class HttpTest : public ServiceTest {
 protected:
  HttpTest() { Start(echo_); }
  ~HttpTest() override { acceptor_.reset(); }  // whose threads use the handler

  static std::string Post(size_t length, const std::string& body) {
    return "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n" +
           body;
  }

  // What comes back while a byte is sent now and then.
  static std::string Drip(Socket& client) {
    const auto end = Clock::now() + std::chrono::seconds(20);
    std::string answer;
    while (client.Read(answer, 4096, Clock::now()) == Socket::Outcome::kLate &&
           Clock::now() < end) {
      client.Write("x", std::chrono::seconds(10));
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return answer;
  }

  Echo echo_;
};

TEST_F(HttpTest, H16_HeadersThatDoNotComeAreNotWaitedFor) {
  Socket client = Connect();
  Put(client, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
  EXPECT_THAT(Rest(client), StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpTest, H16_HeadersThatDripAreNotWaitedForEither) {
  Socket client = Connect();
  Put(client, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
  EXPECT_THAT(Drip(client), StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpTest, H16_ABodyThatDoesNotComeIsNotWaitedFor) {
  Socket client = Connect();
  Put(client, Post(10, "123"));
  EXPECT_THAT(Rest(client), StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpTest, H16_ABodyThatDripsIsNotWaitedForEither) {
  for (const char* path : {"/", "/upload"}) {
    Socket client = Connect();
    Put(client,
        "POST " + std::string(path) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    EXPECT_THAT(Drip(client), StartsWith("HTTP/1.1 408 ")) << path;
  }
}

TEST_F(HttpTest, AConnectionWithoutRequestsCloses) {
  Socket client = Connect();
  EXPECT_THAT(Rest(client), IsEmpty());
  Socket later = Connect();
  Put(later, Post(3, "abc"));
  EXPECT_THAT(Rest(later), EndsWith("\r\n\r\nabc"));  // answered, then it was idle
}

TEST_F(HttpTest, H16_AReaderThatStopsEndsItsStream) {
  Socket client = Connect();
  Put(client, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(Some(client), StartsWith("HTTP/1.1 200 "));
  EXPECT_TRUE(ComesTrue([&] { return echo_.stream_ended.load(); }));
}

TEST_F(HttpTest, BodiesTogetherHaveALimit) {
  const auto until_held = [&](uint64_t bytes) {
    EXPECT_TRUE(ComesTrue([&] { return acceptor_->body_bytes() == bytes; }));
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

TEST_F(HttpTest, UploadsGoToTheirSinkWhateverTheFraming) {
  const std::string head = "POST /upload HTTP/1.1\r\nHost: x\r\n", body(2000, 'u');
  Socket client = Connect();
  Put(client, head + "Content-Length: 2000\r\n\r\n" + body);
  EXPECT_THAT(Some(client), EndsWith("\r\n\r\n" + body + "."));
  const std::string half = "3e8\r\n" + body.substr(1000) + "\r\n";
  Put(client, head + "Transfer-Encoding: chunked\r\n\r\n" + half + half + "0\r\n\r\n");
  EXPECT_THAT(Some(client), EndsWith("\r\n\r\n" + body + "."));
  EXPECT_EQ(acceptor_->body_bytes(), 0u);
  // What is no upload has the smaller limit, known or not.
  Put(client, Post(1001, ""));
  EXPECT_THAT(Rest(client), StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpTest, UploadsHaveALimitAndASinkThatRefuses) {
  const std::string head = "POST /upload HTTP/1.1\r\nHost: x\r\n";
  const std::string half = "9c4\r\n" + std::string(2500, 'u') + "\r\n";
  for (const std::string& text :
       {head + "Content-Length: 5001\r\n\r\n",
        head + "Transfer-Encoding: chunked\r\n\r\n" + half + half + "1\r\nu\r\n0\r\n\r\n"}) {
    Socket client = Connect();
    Put(client, text);
    EXPECT_THAT(Rest(client), AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("5000 bytes")));
  }
  Socket client = Connect();
  Put(client, head + "Content-Length: 4000\r\n\r\nno!");
  EXPECT_THAT(Rest(client), AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("no mark")));
}

TEST_F(HttpTest, H17_ConnectionsHaveALimit) {
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

TEST_F(HttpTest, H08_LinesHaveALimitOfTheirOwn) {
  const auto answer = [&](const std::string& head) {
    Socket client = Connect();
    Put(client, head + "\r\n\r\n");
    return Some(client);
  };
  EXPECT_THAT(answer("GET /" + std::string(8192, 'x') + " HTTP/1.1\r\nHost: x"),
              StartsWith("HTTP/1.1 414 "));
  EXPECT_THAT(answer("GET /" + std::string(8191, 'x') + " HTTP/1.1\r\nHost: x"),
              StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(answer("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(8192, 'x')),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(answer("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(8191, 'x')),
              StartsWith("HTTP/1.1 200 "));
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

TEST_F(HttpTest, WhoComesWhileItDrainsIsAnsweredOnce) {
  acceptor_->Drain(std::chrono::seconds(20));
  Socket client = Connect();
  Put(client, Post(1, "x") + Post(1, "y"));
  EXPECT_THAT(Rest(client), AllOf(HasSubstr("Connection: close\r\n"), EndsWith("\r\n\r\nx")));
  Socket silent = Connect();
  EXPECT_THAT(Rest(silent), IsEmpty());
  EXPECT_TRUE(acceptor_->WaitUntilIdle(std::chrono::seconds(20)));
}

// A reader behind small buffers that takes 512 bytes every 20 ms: less than 25,600 a second.
class SlowReader {
 public:
  SlowReader() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    const int few = 4096;
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &few, sizeof(few));
    writer = Socket(ends[0]);
    reader_ = Socket(ends[1]);
    thread_ = std::thread([this] {
      std::string taken;
      while (reader_.Read(taken, 512, Clock::now() + std::chrono::seconds(20)) ==
             Socket::Outcome::kDone) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    });
  }
  ~SlowReader() {
    writer = Socket();
    thread_.join();
  }
  Socket writer;

 private:
  Socket reader_;
  std::thread thread_;
};

TEST(Socket, H16_AReaderThatDripsIsNotWaitedForEither) {
  SlowReader reader;
  const std::string text(1'000'000, 'x');  // which would take 40 s
  Pace pace{std::chrono::seconds(1), 1e6};
  const auto begin = Clock::now();
  EXPECT_EQ(reader.writer.Write(text, pace), Socket::Outcome::kLate);
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(10));
}

TEST(Socket, AReaderThatKeepsThePaceIsWaitedFor) {
  SlowReader reader;
  Pace pace{std::chrono::seconds(1), 2000};
  const auto begin = Clock::now();
  for (int i = 0; i < 60; ++i) {
    ASSERT_EQ(reader.writer.Write(std::string(1000, 'x'), pace), Socket::Outcome::kDone) << i;
  }
  EXPECT_GT(Clock::now() - begin, std::chrono::seconds(1));
}

// Only loopback has no limit for one address; another address of this machine stands for others.
TEST(Acceptor, H17_OneOtherMachineHasALimit) {
  std::string own;
  for (const std::string& address : MachineAddresses()) {
    if (own.empty() && address.find(':') == std::string::npos) own = address;
  }
  if (own.empty()) GTEST_SKIP() << "this machine has no address but loopback";
  Echo echo;
  const ServerLimits limits{.connections_of_address = 2};
  std::vector<Listener> listeners = ListenOn("0.0.0.0", 0);
  sockaddr_in place{};
  socklen_t size = sizeof(place);
  getsockname(listeners[0].socket.descriptor(), reinterpret_cast<sockaddr*>(&place), &size);
  Acceptor acceptor(std::move(listeners), limits, echo);
  acceptor.Start();
  const auto is_answered = [&](Socket& client, const std::string& address) {
    client = Socket(socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(inet_pton(AF_INET, address.c_str(), &place.sin_addr), 1);
    EXPECT_EQ(connect(client.descriptor(), reinterpret_cast<sockaddr*>(&place), sizeof(place)), 0);
    client.Write("GET / HTTP/1.1\r\nHost: x\r\n\r\n", std::chrono::seconds(10));
    std::string answer;
    client.Read(answer, 4096, Clock::now() + std::chrono::seconds(20));
    return answer.starts_with("HTTP/1.1 200 ");
  };
  Socket first, second, third, here[3];
  EXPECT_TRUE(is_answered(first, own));
  EXPECT_TRUE(is_answered(second, own));
  EXPECT_FALSE(is_answered(third, own));
  for (Socket& client : here) EXPECT_TRUE(is_answered(client, "127.0.0.1"));
  first = Socket();
  EXPECT_TRUE(ComesTrue([&] { return is_answered(third, own); }));
}

}  // namespace
}  // namespace gemma3n::server
