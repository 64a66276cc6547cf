// SPDX-License-Identifier: Apache-2.0
// TLS on sockets, the server's side: 1.2 and later. OpenSSL's connections are known to tls.cc
// alone, which never waits: sockets do (server/socket.h).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace gemma3n::server {

// TLS of one connection. Any thread may call it.
class TlsChannel {
 public:
  // What it wants of its socket before the call may be made again, or that it is over.
  enum class Outcome { kDone, kEnd, kWantsRead, kWantsWrite };

  virtual ~TlsChannel() = default;
  virtual Outcome Handshake() = 0;
  // `count` bytes of `size` are done when it returns kDone.
  virtual Outcome Read(char* data, size_t size, size_t& count) = 0;
  virtual Outcome Write(std::string_view data, size_t& count) = 0;
  // Something is here to read whatever the socket has.
  virtual bool HasPending() = 0;
  // Tells the peer that no more comes.
  virtual void End() = 0;
  // What came to the handshake is a request without TLS.
  virtual bool IsPlainHttp() const = 0;
};

// A certificate and its key. Threads share it.
class TlsContext {
 public:
  virtual ~TlsContext() = default;
  virtual std::unique_ptr<TlsChannel> Accept(int descriptor) const = 0;
};

// Of files in PEM; the certificate's may hold those between it and its root, too. Throws Error
// (kUsage).
std::shared_ptr<const TlsContext> TlsFromFiles(const std::string& certificate,
                                               const std::string& key);
// Of one text that holds both. Throws Error (kUsage).
std::shared_ptr<const TlsContext> TlsFromText(const std::string& pem);
// Of such a text, which is asked for again once in a period by whichever connection comes first:
// certificates end. Where there is none any more, the last one stays. Throws what `pem` throws.
std::shared_ptr<const TlsContext> TlsRenewed(std::function<std::string()> pem,
                                             std::chrono::seconds period);

}  // namespace gemma3n::server
