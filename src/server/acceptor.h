// SPDX-License-Identifier: Apache-2.0
// Accepts connections and gives each a thread, up to a limit.
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/http.h"
#include "server/listener.h"
#include "server/socket.h"

namespace gemma3n::server {

class Acceptor {
 public:
  // Without `tls`, connections are plain.
  Acceptor(std::vector<Listener> listeners, const ServerLimits& limits, Handler& handler,
           std::shared_ptr<const TlsContext> tls = nullptr);
  void Start();
  // Ends all connections at once.
  ~Acceptor();

  // Closes each connection behind the answer under way, and goes on accepting for one request each,
  // so that whoever asks is told. `grace`: what answers have to end; WebSockets tell. Sockets that
  // were handed over are let go at once: who comes there waits for the next service.
  void Drain(std::chrono::milliseconds grace);
  void Close();  // accepts no more, and drains
  // Whether all connections were gone in time.
  bool WaitUntilIdle(std::chrono::milliseconds patience);
  size_t connections() const;
  uint64_t body_bytes() const { return shared_.body_bytes; }  // of requests that are held
  size_t websockets() const { return shared_.websockets; }

 private:
  void Wake() const;
  void Run();
  void Accept(Listener& listener);
  bool HasRoomFor(const std::string& peer) const;
  void Leave(std::list<Socket>::iterator place, const std::string& peer);
  void Serve(std::list<Socket>::iterator place, const std::string& peer);

  std::vector<Listener> listeners_;
  Connections shared_;
  const std::shared_ptr<const TlsContext> tls_;
  const Socket wake_;  // readable when it is time to drain or to stop
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::condition_variable left_;
  std::list<Socket> sockets_;              // one for each connection's thread
  std::map<std::string, size_t> of_peer_;  // how many each address has
  std::thread thread_;
};

}  // namespace gemma3n::server
