// SPDX-License-Identifier: Apache-2.0
// A WebSocket, the server's side, over a connection that Exchange::Upgrade has turned into one.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gemma3n/server.h"
#include "server/socket.h"

namespace gemma3n::server {

// A service that shuts down.
struct Closing {
  Clock::time_point until = {};  // answers may go on; known once it has begun
  std::atomic<bool> begun = false;
};

// One thread reads: the connection's own, on which it also ends. Any thread may send and close.
class WebSocket {
 public:
  struct Message {
    bool is_text = true;  // then it is UTF-8
    std::string data;
  };
  // kLate: no message until the deadline. kClosed: none will come any more, since the peer closed
  // or left, we did, it broke the rules, or the service is shutting down.
  enum class Outcome { kMessage, kClosed, kLate };

  // Says that it closes (1000; 1011 where an exception passes by), if nobody has; sends what is
  // left to send, and waits for the peer a little.
  virtual ~WebSocket() = default;

  // When the answers of a service that shuts down are ended; nothing while it does not. Whoever has
  // nothing to finish closes (1001) at once, and Read does for all a little behind that time.
  virtual std::optional<Clock::time_point> ends_at() const = 0;

  // Pings and closing are answered, the peer is pinged and what waits is sent in here: whoever has
  // other things to do, reads often. A deadline that is past: takes what is there.
  virtual Outcome Read(Message& message, Clock::time_point deadline) = 0;
  // While it is held, Read takes no message, ping or goodbye: they wait where the peer notices. Of
  // the reading thread. Not for long: a peer that has left is not noticed either.
  virtual void Hold(bool held) = 0;
  // Returns at once. False when it is closed; a peer that leaves too much unread is dropped. The
  // text must be UTF-8.
  virtual bool Send(std::string_view text) = 0;
  // Nothing is sent behind it. `code`: 1000 to 1014 as RFC 6455 and IANA have them, or 3000 and up.
  virtual void Close(int code, std::string_view reason) = 0;
};

// Over a connection on which the upgrade is agreed. `came`: bytes that came behind the request.
// `closing`: of the service. Counts what it sends in `sent_bytes`.
std::unique_ptr<WebSocket> MakeWebSocket(Socket& socket, std::string came,
                                         const ServerLimits& limits, const Closing& closing,
                                         std::atomic<uint64_t>& sent_bytes);

}  // namespace gemma3n::server
