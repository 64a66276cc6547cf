// SPDX-License-Identifier: Apache-2.0
#include "server/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "gemma3n/error.h"

namespace gemma3n::server {
namespace {

// For poll; rounded up, so that a wait is not over before its deadline.
int MillisecondsTo(Clock::time_point deadline) {
  const auto now = Clock::now();
  if (deadline <= now) return 0;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
  return static_cast<int>(std::min<int64_t>(left, 1 << 30));
}

// The call may be made again.
bool IsTemporary(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

// Whether `events` came before the deadline.
bool Await(int descriptor, short events, Clock::time_point deadline) {
  while (true) {
    pollfd wanted{descriptor, events, 0};
    const int found = poll(&wanted, 1, MillisecondsTo(deadline));
    if (found > 0) return true;
    if (found == 0 || errno != EINTR) return false;
  }
}

bool IsLoopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
  }
  if (address.ss_family != AF_INET6) return false;
  return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

std::string AddressText(const sockaddr_storage& address) {
  char host[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, host, sizeof(host));
    return std::string(host) + ":" + std::to_string(ntohs(v4.sin_port));
  }
  if (address.ss_family != AF_INET6) return "";
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof(host));
  return "[" + std::string(host) + "]:" + std::to_string(ntohs(v6.sin6_port));
}

Listener AsListener(Socket socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  getsockname(socket.descriptor(), reinterpret_cast<sockaddr*>(&address), &size);
  return {std::move(socket), AddressText(address), IsLoopback(address)};
}

// An address list that frees itself.
struct Addresses {
  addrinfo* first = nullptr;
  ~Addresses() {
    if (first != nullptr) freeaddrinfo(first);
  }
};

}  // namespace

Socket::~Socket() {
  if (descriptor_ >= 0) close(descriptor_);
}

Socket::Outcome Socket::Read(std::string& data, size_t most, Clock::time_point deadline) {
  const size_t before = data.size();
  while (true) {
    data.resize(before + most);
    const ssize_t count = recv(descriptor_, data.data() + before, most, MSG_DONTWAIT);
    data.resize(before + static_cast<size_t>(std::max<ssize_t>(count, 0)));
    if (count > 0) return Outcome::kDone;
    if (count == 0 || !IsTemporary(errno)) return Outcome::kEnd;
    if (!server::Await(descriptor_, POLLIN, deadline)) return Outcome::kLate;
  }
}

Socket::Outcome Socket::WriteSome(std::string_view data, size_t& count) {
  const ssize_t sent = send(descriptor_, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  count = static_cast<size_t>(std::max<ssize_t>(sent, 0));
  if (sent > 0) return Outcome::kDone;
  return sent < 0 && IsTemporary(errno) ? Outcome::kLate : Outcome::kEnd;
}

Socket::Outcome Socket::Write(std::string_view data, std::chrono::milliseconds stalled) {
  while (!data.empty()) {
    size_t count = 0;
    const Outcome outcome = WriteSome(data, count);
    if (outcome == Outcome::kEnd) return outcome;
    data.remove_prefix(count);
    if (outcome == Outcome::kLate && !server::Await(descriptor_, POLLOUT, Clock::now() + stalled)) {
      return outcome;
    }
  }
  return Outcome::kDone;
}

void Socket::Await(bool for_writing, const Socket& wake, Clock::time_point deadline) const {
  const auto events = static_cast<short>(for_writing ? POLLIN | POLLOUT : POLLIN);
  pollfd wanted[] = {{descriptor_, events, 0}, {wake.descriptor(), POLLIN, 0}};
  poll(wanted, 2, MillisecondsTo(deadline));
}

bool Socket::IsLeft() const {
  pollfd state{descriptor_, POLLRDHUP, 0};
  return poll(&state, 1, 0) == 1 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void Socket::ShutDown() {
  shutdown(descriptor_, SHUT_RDWR);
}

void Socket::ShutDownWriting() {
  shutdown(descriptor_, SHUT_WR);
}

bool IsLoopback(const std::string& host) {
  if (host == "localhost") return true;
  sockaddr_storage address{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(address);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    address.ss_family = AF_INET;
  } else if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    address.ss_family = AF_INET6;
  }
  return IsLoopback(address);
}

std::vector<Listener> ListenOn(const std::string& host, int port) {
  const std::string place = host + ", port " + std::to_string(port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  Addresses addresses;
  // A name would ask a name server; the one name that needs none is an address of its own.
  const std::string numeric = host == "localhost" ? "127.0.0.1" : host;
  if (getaddrinfo(numeric.c_str(), std::to_string(port).c_str(), &hints, &addresses.first) != 0) {
    throw Error(ErrorKind::kUsage,
                "host: expected an address of this machine or localhost, found '" + host + "'");
  }
  std::vector<Listener> listeners;
  for (const addrinfo* at = addresses.first; at != nullptr; at = at->ai_next) {
    Socket socket(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    setsockopt(socket.descriptor(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (socket.descriptor() < 0 || bind(socket.descriptor(), at->ai_addr, at->ai_addrlen) != 0 ||
        listen(socket.descriptor(), SOMAXCONN) != 0) {
      throw Error(ErrorKind::kUsage, place + " cannot be listened on: " + std::strerror(errno) +
                                         "; choose another with --port");
    }
    listeners.push_back(AsListener(std::move(socket)));
  }
  return listeners;
}

std::vector<Listener> InheritedListeners() {
  constexpr int kFirst = 3, kMost = 16;
  const char* const process = std::getenv("LISTEN_PID");
  const char* const count = std::getenv("LISTEN_FDS");
  if (process == nullptr || count == nullptr) return {};
  if (process != std::to_string(getpid())) return {};
  int sockets = 0;
  std::from_chars(count, count + std::strlen(count), sockets);
  std::vector<Listener> listeners;
  for (int i = 0; i < std::min(sockets, kMost); ++i) {
    int listens = 0;
    socklen_t size = sizeof(listens);
    if (getsockopt(kFirst + i, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) {
      throw Error(ErrorKind::kUsage, "LISTEN_FDS: descriptor " + std::to_string(kFirst + i) +
                                         " is not a listening socket");
    }
    fcntl(kFirst + i, F_SETFD, FD_CLOEXEC);
    fcntl(kFirst + i, F_SETFL, fcntl(kFirst + i, F_GETFL) | O_NONBLOCK);
    listeners.push_back(AsListener(Socket(kFirst + i)));
  }
  // They are ours, not those of programs that we start.
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
  unsetenv("LISTEN_FDNAMES");
  return listeners;
}

void NotifyService(const std::string& state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path == nullptr || std::strlen(path) >= sizeof(address.sun_path)) return;
  const size_t length = std::strlen(path);
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // one without a file
  const Socket socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  sendto(socket.descriptor(), state.data(), state.size(), MSG_NOSIGNAL,
         reinterpret_cast<const sockaddr*>(&address), size);
}

}  // namespace gemma3n::server
