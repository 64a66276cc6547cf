// SPDX-License-Identifier: Apache-2.0
// A service with a handler of the test's and small limits, on a free port of loopback, and clients
// that say what they like.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/acceptor.h"

namespace gemma3n::server {

// Waits for what other threads bring about.
template <typename Condition>
bool ComesTrue(const Condition& condition) {
  const auto end = Clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

class ServiceTest : public testing::Test {
 protected:
  ServiceTest()
      : limits_{.body_bytes = 1000,
                .all_bodies_bytes = 1500,
                .upload_bytes = 5000,
                .header_seconds = 0.3,
                .idle_seconds = 0.3,
                .body_grace_seconds = 0.3,
                .body_bytes_per_second = 1e6,
                .stalled_seconds = 0.3,
                .connections = 4} {}

  void Start(Handler& handler, std::shared_ptr<const TlsContext> tls = nullptr) {
    std::vector<Listener> listeners = ListenOn("127.0.0.1", 0);
    socklen_t size = sizeof(address_);
    getsockname(listeners[0].socket.descriptor(), reinterpret_cast<sockaddr*>(&address_), &size);
    acceptor_ = std::make_unique<Acceptor>(std::move(listeners), limits_, handler, std::move(tls));
    acceptor_->Start();
  }

  Socket Connect() const {
    Socket client(socket(address_.ss_family, SOCK_STREAM, 0));
    EXPECT_EQ(connect(client.descriptor(), reinterpret_cast<const sockaddr*>(&address_),
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

  ServerLimits limits_;
  std::unique_ptr<Acceptor> acceptor_;

 private:
  sockaddr_storage address_{};
};

}  // namespace gemma3n::server
