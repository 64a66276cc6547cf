// SPDX-License-Identifier: Apache-2.0
// WebSockets on real sockets: how one begins, what ends it, and that neither a client that floods
// nor one that falls silent costs more than its connection.
#include "server/websocket.h"

#include <gmock/gmock.h>

#include <stdexcept>

#include "server/frames.h"
#include "server/test_frames.h"
#include "server/test_service.h"

namespace gemma3n::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Says what it hears. "many N": N texts of 1000 bytes at once; "close": 4000; "throw"; "later":
// answers from a thread of its own. On /poll it never waits.
class Parrot : public Handler {
 public:
  void Admit(Request& request) override { last_path = request.path; }
  void Handle(const Request& request, Exchange& exchange) override {
    const std::vector<std::string> offered = request.List("Sec-WebSocket-Protocol");
    const std::unique_ptr<WebSocket> socket =
        exchange.Upgrade(offered.empty() ? "" : offered.front());
    std::thread later;
    ++open;
    try {
      WebSocket::Message message;
      const milliseconds patience(request.path == "/poll" ? 0 : 20);
      while (socket->Read(message, Clock::now() + patience) != WebSocket::Outcome::kClosed) {
        if (!message.data.empty()) Hear(*socket, std::exchange(message, {}).data, later);
      }
    } catch (...) {
      --open;
      throw;
    }
    --open;
    if (later.joinable()) later.join();
  }
  Response Refused(const Request&, const Refusal& refusal) override {
    return {.body = refusal.what()};
  }
  Headers Common(const Request&) override { return {}; }
  void Finished(const Request&, int status, uint64_t bytes, double) override {
    last_bytes = bytes;
    last_status = status;
  }

  std::string last_path;
  std::atomic<int> open = 0, heard = 0, last_status = 0;
  std::atomic<uint64_t> last_bytes = 0;
  std::atomic<bool> was_dropped = false;

 private:
  void Hear(WebSocket& socket, const std::string& text, std::thread& later) {
    ++heard;
    if (text == "throw") throw std::runtime_error("thrown");
    if (text == "close") return socket.Close(4000, "as you wish");
    if (text == "later") {
      later = std::thread([&socket] {
        for (int i = 0; i < 1000; ++i) socket.Send(std::string(1000, 'x'));
        socket.Close(1000, "all said");
      });
    } else if (text.starts_with("many ")) {
      for (int i = std::stoi(text.substr(5)); i > 0; --i) {
        if (!socket.Send(std::string(1000, 'x'))) was_dropped = true;
      }
    } else {
      const bool twice = text.starts_with("twice ");
      for (int i = 0; i < (twice ? 2 : 1); ++i) socket.Send(text);
    }
  }
};

class WebSocketTest : public ServiceTest {
 protected:
  WebSocketTest() {
    limits_.connections = 100;
    limits_.websocket_message_bytes = 4 << 20;
    limits_.websocket_unread_bytes = 1 << 20;
    limits_.websocket_ping_seconds = 100;
    limits_.websocket_silent_seconds = 200;
    Start(parrot_);
  }
  ~WebSocketTest() override { acceptor_.reset(); }

  static std::string Asking(const std::string& more = "", const std::string& version = "13",
                            const std::string& path = "/") {
    return "GET " + path +
           " HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n"
           "Upgrade: websocket\r\nSec-WebSocket-Version: " +
           version + "\r\n" + more + "\r\n";
  }
  static constexpr char kKey[] = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

  // The answer's head; what comes behind it stays in `came_`.
  std::string Head(Socket& client) {
    came_.clear();
    while (came_.find("\r\n\r\n") == std::string::npos) {
      if (client.Read(came_, 4096, Clock::now() + seconds(20)) != Socket::Outcome::kDone) break;
    }
    const size_t end = came_.find("\r\n\r\n");
    const std::string head = came_.substr(0, end);
    came_.erase(0, end == std::string::npos ? end : end + 4);
    return head;
  }
  Socket Open(const std::string& more = "") {
    Socket client = Connect();
    Put(client, Asking(kKey + more));
    EXPECT_THAT(Head(client), StartsWith("HTTP/1.1 101 "));
    return client;
  }
  // The next frame of the server: its opcode and payload; opcode -1 when the connection ended.
  std::pair<int, std::string> Next(Socket& client) {
    while (true) {
      if (came_.size() >= 2) {
        size_t length = static_cast<uint8_t>(came_[1]), head = 2;
        EXPECT_LT(length, 128);  // and is not masked
        const size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
        if (more > 0 && came_.size() >= head + more) {
          for (length = 0; head < 2 + more; ++head) {
            length = length << 8 | static_cast<uint8_t>(came_[head]);
          }
        }
        if (came_.size() >= head + length && head == 2 + more) {
          const std::pair<int, std::string> frame(came_[0] & 0x0F, came_.substr(head, length));
          came_.erase(0, head + length);
          return frame;
        }
      }
      if (client.Read(came_, 65536, Clock::now() + seconds(20)) != Socket::Outcome::kDone) {
        return {-1, ""};
      }
    }
  }
  // The code of the close frame that comes next, behind which the connection ends; -1: none came.
  int Goodbye(Socket& client) {
    const auto [opcode, payload] = Next(client);
    if (opcode != 8 || payload.size() < 2) return -1;
    EXPECT_EQ(Next(client).first, -1);
    return static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1]);
  }
  int AnswerTo(const std::string& frames) {
    Socket client = Open();
    Put(client, frames);
    const int code = Goodbye(client);
    EXPECT_TRUE(ComesTrue([&] { return parrot_.open == 0; }));
    return code;
  }

  Parrot parrot_;
  std::string came_;
};

using Said = std::pair<int, std::string>;

TEST_F(WebSocketTest, SaysWhatItHears) {
  Socket client = Connect();
  Put(client, Asking(kKey) + ClientText("early"));  // with the request
  const std::string head = Head(client);
  EXPECT_THAT(head, StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nUpgrade: websocket"));
  EXPECT_THAT(head, HasSubstr("\r\nConnection: Upgrade"));
  EXPECT_THAT(head, HasSubstr("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  EXPECT_THAT(head, Not(HasSubstr("Content-")));
  EXPECT_EQ(Next(client), Said(1, "early"));
  Put(client, ClientFrame(1, "in ") + ClientFrame(kLast | 9, "?") + ClientFrame(kLast, "two"));
  EXPECT_EQ(Next(client), Said(10, "?"));
  EXPECT_EQ(Next(client), Said(1, "in two"));
  Put(client, ClientFrame(kLast | 8, ClosePayload(1000, "bye")));
  EXPECT_EQ(Goodbye(client), 1000);
  EXPECT_TRUE(ComesTrue([&] { return parrot_.last_status == 101; }));
}

TEST_F(WebSocketTest, HearsWithoutWaiting) {
  Socket client = Connect();
  Put(client, Asking(kKey, "13", "/poll"));
  EXPECT_THAT(Head(client), StartsWith("HTTP/1.1 101 "));
  for (const std::string text : {"one", "two"}) {
    Put(client, ClientText(text));
    EXPECT_EQ(Next(client), Said(1, text));
  }
}

TEST_F(WebSocketTest, W01_RequestsThatAreNotForOne) {
  const auto answer = [&](const std::string& request) {
    Socket client = Connect();
    Put(client, request);
    return Head(client);
  };
  EXPECT_THAT(answer(Asking()), StartsWith("HTTP/1.1 400 "));  // no key
  EXPECT_THAT(answer(Asking(std::string(kKey) + kKey)), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer(Asking("Sec-WebSocket-Key: short\r\n")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer(Asking(std::string(kKey) + "Content-Length: 1\r\n") + "x"),
              StartsWith("HTTP/1.1 400 "));
  for (const char* version : {"12", "8", "x", "13, 8", ""}) {
    const std::string head = answer(Asking(kKey, version));
    EXPECT_THAT(head, StartsWith("HTTP/1.1 426 ")) << version;
    EXPECT_THAT(head, HasSubstr("\r\nSec-WebSocket-Version: 13"));
  }
  EXPECT_THAT(answer("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 426 "));
  EXPECT_THAT(answer("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
              StartsWith("HTTP/1.1 426 "));
  std::string post = Asking(kKey);
  EXPECT_THAT(answer(post.replace(0, 3, "POST")), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(parrot_.open, 0);
}

TEST_F(WebSocketTest, W02_WhatBreaksTheRulesIsToldAndEnds) {
  EXPECT_EQ(AnswerTo(ClientFrame(kLast | 1, "x", 0)), 1002);
  EXPECT_EQ(AnswerTo(ClientFrame(kLast | 0x41, "x")), 1002);
  EXPECT_EQ(AnswerTo(ClientFrame(kLast | 3, "x")), 1002);
  EXPECT_EQ(AnswerTo(ClientFrame(9, "x")), 1002);
  EXPECT_EQ(AnswerTo(ClientFrame(kLast | 9, std::string(126, 'x'))), 1002);
  EXPECT_EQ(AnswerTo(ClientFrame(kLast | 8, ClosePayload(1005, ""))), 1002);
  EXPECT_EQ(AnswerTo(ClientText("\xC0\x80")), 1007);
  // However much follows it.
  EXPECT_EQ(AnswerTo(ClientFrame(kLast | 3, "x") + std::string(1 << 20, 'x')), 1002);
}

TEST_F(WebSocketTest, W03_FloodsEnd) {
  EXPECT_EQ(AnswerTo(ClientText(std::string((8 << 20) + 1, 'x')).substr(0, 100'000)), 1009);
  std::string fragments = ClientFrame(1, "");
  for (int i = 0; i < 100'000; ++i) fragments += ClientFrame(0, "");
  EXPECT_EQ(AnswerTo(fragments), 1008);

  Socket client = Open();
  std::string pings;
  for (int i = 0; i < 10'000; ++i) pings += ClientFrame(kLast | 9, "?");
  Put(client, pings);
  int pongs = 0;
  Said said = Next(client);
  for (; said.first == 10; said = Next(client)) ++pongs;
  EXPECT_EQ(said.first, 8);
  EXPECT_EQ(said.second.substr(0, 2), ClosePayload(1008, ""));
  EXPECT_LE(pongs, 200);
}

TEST_F(WebSocketTest, W04_NothingIsCompressed) {
  Socket client = Connect();
  Put(client, Asking(std::string(kKey) + "Sec-WebSocket-Extensions: permessage-deflate\r\n"));
  EXPECT_THAT(Head(client), Not(HasSubstr("Extensions")));
}

TEST_F(WebSocketTest, TheSubprotocolIsTheHandlersChoice) {
  Socket client = Connect();
  Put(client, Asking(std::string(kKey) + "Sec-WebSocket-Protocol: realtime, key.SECRET\r\n"));
  const std::string head = Head(client);
  EXPECT_THAT(head, HasSubstr("\r\nSec-WebSocket-Protocol: realtime\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("SECRET")));
}

TEST_F(WebSocketTest, ADoubledSlashInFrontOfWsIsOne) {
  for (const auto& [path, found] :
       {std::pair("//ws/google.v1", "/ws/google.v1"), std::pair("///ws/x", "///ws/x"),
        std::pair("//wsx", "//wsx"), std::pair("//v1/ws/", "//v1/ws/")}) {
    Socket client = Connect();
    Put(client, Asking(kKey, "13", path));
    Head(client);
    EXPECT_EQ(parrot_.last_path, found);
  }
}

TEST_F(WebSocketTest, ThereIsAnEndToTheirNumber) {
  std::vector<Socket> held;
  for (int i = 0; i < 32; ++i) held.push_back(Open());
  Socket client = Connect();
  Put(client, Asking(kKey));
  EXPECT_THAT(Head(client), StartsWith("HTTP/1.1 429 "));
  held.pop_back();
  EXPECT_TRUE(ComesTrue([&] { return parrot_.open == 31; }));
  EXPECT_TRUE(ComesTrue([&] {
    Socket next = Connect();
    Put(next, Asking(kKey));
    return Head(next).starts_with("HTTP/1.1 101 ");
  }));
}

TEST_F(WebSocketTest, AnyThreadMaySend) {
  Socket client = Open();
  Put(client, ClientText("later"));
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(Next(client), Said(1, std::string(1000, 'x')));
  }
  const Said said = Next(client);
  EXPECT_EQ(said, Said(8, ClosePayload(1000, "all said")));
  Put(client, ClientText("lost") + ClientFrame(kLast | 8, ClosePayload(1000, "")));
  EXPECT_EQ(Next(client).first, -1);  // and nothing is said behind goodbye
  EXPECT_TRUE(ComesTrue([&] { return parrot_.last_bytes > 1'000'000; }));
}

TEST_F(WebSocketTest, HandlersClose) {
  EXPECT_EQ(AnswerTo(ClientText("close") + ClientFrame(kLast | 8, "")), 4000);
  EXPECT_EQ(AnswerTo(ClientText("throw") + ClientFrame(kLast | 8, "")), 1011);
}

TEST_F(WebSocketTest, W06_AReaderThatStopsIsDropped) {
  Socket client = Open();
  Put(client, ClientText("many 40000"));
  EXPECT_TRUE(ComesTrue([&] { return parrot_.was_dropped.load(); }));
  EXPECT_TRUE(ComesTrue([&] { return parrot_.open == 0; }));
}

TEST_F(WebSocketTest, WhatASlowReaderLeavesIsSentLater) {
  limits_.websocket_unread_bytes = 100 << 20;
  Socket client = Open();
  Put(client, ClientText("many 20000"));
  std::this_thread::sleep_for(milliseconds(100));
  for (int i = 0; i < 20000; ++i) ASSERT_EQ(Next(client), Said(1, std::string(1000, 'x')));
  EXPECT_FALSE(parrot_.was_dropped);
}

// What its own messages bring back does not count against a peer that sends first and reads later.
TEST_F(WebSocketTest, WhoSendsMuchBeforeItReadsIsHeardLater) {
  Socket client = Open();
  const std::string message = ClientText("twice " + std::string(3 << 20, 'x'));
  std::thread sender([&] {
    for (int i = 0; i < 8; ++i) Put(client, message);
  });
  EXPECT_TRUE(ComesTrue([&] { return parrot_.heard == 1; }));
  std::this_thread::sleep_for(milliseconds(300));
  EXPECT_LT(parrot_.heard, 8);
  for (int i = 0; i < 16; ++i) EXPECT_GT(Next(client).second.size(), 3u << 20);
  sender.join();
  EXPECT_EQ(parrot_.heard, 8);
  EXPECT_FALSE(parrot_.was_dropped);
}

class SilentWebSocketTest : public WebSocketTest {
 protected:
  SilentWebSocketTest() {
    limits_.websocket_ping_seconds = 0.05;
    limits_.websocket_silent_seconds = 0.5;
  }
};

TEST_F(SilentWebSocketTest, W06_APeerThatVanishesIsGivenUp) {
  Socket client = Open();
  EXPECT_EQ(Next(client), Said(9, ""));
  EXPECT_TRUE(ComesTrue([&] { return parrot_.open == 0; }));
}

TEST_F(SilentWebSocketTest, APeerThatAnswersPingsStays) {
  Socket client = Open();
  const auto end = Clock::now() + seconds(1);
  while (Clock::now() < end) {
    ASSERT_EQ(Next(client), Said(9, ""));
    Put(client, ClientFrame(kLast | 10, ""));
  }
  EXPECT_EQ(parrot_.open, 1);
}

TEST_F(WebSocketTest, TheServiceSaysThatItShutsDown) {
  Socket client = Open();
  EXPECT_TRUE(ComesTrue([&] { return parrot_.open == 1; }));
  acceptor_->Close();
  EXPECT_EQ(Next(client), Said(8, ClosePayload(1001, "the server is shutting down")));
  Put(client, ClientFrame(kLast | 8, ClosePayload(1001, "")));
  EXPECT_TRUE(acceptor_->WaitUntilIdle(seconds(3)));
}

}  // namespace
}  // namespace gemma3n::server
