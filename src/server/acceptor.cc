// SPDX-License-Identifier: Apache-2.0
#include "server/acceptor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <system_error>

namespace gemma3n::server {
namespace {

constexpr std::string_view kAnswerToPlainHttp =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 34\r\n"
    "Connection: close\r\n\r\nThis port speaks https, not http.\n";

std::string PeerOf(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof(text));
  } else if (address.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text,
              sizeof(text));
  }
  return text;
}

}  // namespace

Acceptor::Acceptor(std::vector<Listener> listeners, const ServerLimits& limits, Handler& handler,
                   std::shared_ptr<const TlsContext> tls)
    : listeners_(std::move(listeners)),
      shared_{limits, handler},
      tls_(std::move(tls)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Acceptor::Start() {
  thread_ = std::thread([this] { Run(); });
}

Acceptor::~Acceptor() {
  Close();
  std::unique_lock lock(mutex_);
  for (Socket& socket : sockets_) socket.ShutDown();
  left_.wait(lock, [this] { return sockets_.empty(); });
}

void Acceptor::Drain(std::chrono::milliseconds grace) {
  if (grace.count() > 0) shared_.closing.until = Clock::now() + grace;
  shared_.closing.begun = true;
  Wake();
}

void Acceptor::Close() {
  if (!thread_.joinable()) return;
  shared_.closing.begun = stopping_ = true;
  Wake();
  thread_.join();
  listeners_.clear();
}

void Acceptor::Wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.descriptor(), &one, sizeof(one));
}

bool Acceptor::WaitUntilIdle(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return left_.wait_for(lock, patience, [this] { return sockets_.empty(); });
}

size_t Acceptor::connections() const {
  const std::lock_guard lock(mutex_);
  return sockets_.size();
}

void Acceptor::Run() {
  while (!stopping_) {
    std::vector<pollfd> waits = {{wake_.descriptor(), POLLIN, 0}};
    for (const Listener& listener : listeners_) {
      waits.push_back({listener.socket.descriptor(), POLLIN, 0});
    }
    if (poll(waits.data(), waits.size(), -1) < 0) continue;
    if (waits[0].revents != 0) {
      uint64_t wakes;
      [[maybe_unused]] const ssize_t count = read(wake_.descriptor(), &wakes, sizeof(wakes));
      std::erase_if(listeners_, [](const Listener& one) { return one.is_inherited; });
      continue;
    }
    for (size_t i = 1; i < waits.size(); ++i) {
      if (waits[i].revents != 0) Accept(listeners_[i - 1]);
    }
  }
}

void Acceptor::Accept(Listener& listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  Socket socket(accept4(listener.socket.descriptor(), reinterpret_cast<sockaddr*>(&address), &size,
                        SOCK_CLOEXEC));
  if (socket.descriptor() < 0) {
    // Out of descriptors or memory: what waits to be accepted would wake us again at once.
    if (errno != EAGAIN) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return;
  }
  const int on = 1;  // pieces of a stream leave as they come
  setsockopt(socket.descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const std::lock_guard lock(mutex_);
  const std::string peer = PeerOf(address);
  if (!HasRoomFor(peer)) return;  // refused: it closes here
  const auto place = sockets_.insert(sockets_.end(), std::move(socket));
  try {
    ++of_peer_[peer];
    std::thread([this, place, peer] { Serve(place, peer); }).detach();
  } catch (const std::system_error&) {  // no more threads: refused, too
    Leave(place, peer);
  }
}

// Under the mutex. All who come through a proxy on this machine have one address.
bool Acceptor::HasRoomFor(const std::string& peer) const {
  if (sockets_.size() >= shared_.limits.connections) return false;
  const auto found = of_peer_.find(peer);
  return found == of_peer_.end() || IsLoopback(peer) ||
         found->second < shared_.limits.connections_of_address;
}

// Under the mutex.
void Acceptor::Leave(std::list<Socket>::iterator place, const std::string& peer) {
  sockets_.erase(place);
  if (--of_peer_[peer] == 0) of_peer_.erase(peer);
}

void Acceptor::Serve(std::list<Socket>::iterator place, const std::string& peer) {
  try {
    const auto deadline =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(
                           std::chrono::duration<double>(shared_.limits.header_seconds));
    if (tls_ == nullptr || place->StartTls(*tls_, deadline, kAnswerToPlainHttp)) {
      ServeConnection(*place, peer, shared_);
    }
  } catch (const std::exception&) {  // out of memory: this connection ends, the others go on
  }
  const std::lock_guard lock(mutex_);
  Leave(place, peer);
  // Under the lock: the acceptor may be gone as soon as it is free.
  left_.notify_all();
}

}  // namespace gemma3n::server
