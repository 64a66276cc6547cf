// SPDX-License-Identifier: Apache-2.0
#include "server/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "gemma3n/error.h"
#include "server/port_holder.h"

namespace gemma3n::server {
namespace {

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

std::vector<Listener> Listen(const std::string& host, int port, bool v6_only) {
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
    if (v6_only) setsockopt(socket.descriptor(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (socket.descriptor() < 0 || bind(socket.descriptor(), at->ai_addr, at->ai_addrlen) != 0 ||
        listen(socket.descriptor(), SOMAXCONN) != 0) {
      const int why = errno;
      const std::string holder = why == EADDRINUSE ? HolderOfPort(port) : "";
      throw Error(ErrorKind::kUsage, place + " cannot be listened on: " + std::strerror(why) +
                                         (holder.empty() ? "" : " by " + holder) +
                                         "; choose another with --port");
    }
    listeners.push_back(AsListener(std::move(socket)));
  }
  return listeners;
}

}  // namespace

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
  return Listen(host, port, /*v6_only=*/false);
}

std::vector<Listener> ListenEverywhere(int port) {
  std::vector<Listener> listeners = ListenOn("0.0.0.0", port);
  const Socket v6(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (v6.descriptor() < 0) return listeners;  // this kernel has none
  const std::string& address = listeners.front().address;
  const int same = std::stoi(address.substr(address.rfind(':') + 1));  // 0 was any
  for (Listener& one : Listen("::", same, /*v6_only=*/true)) listeners.push_back(std::move(one));
  return listeners;
}

std::vector<std::string> MachineAddresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  std::vector<std::string> v4, v6;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || (at->ifa_flags & IFF_UP) == 0) continue;
    char text[INET6_ADDRSTRLEN] = "";
    if (at->ifa_addr->sa_family == AF_INET) {
      const auto& address = reinterpret_cast<const sockaddr_in&>(*at->ifa_addr);
      inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text));
      if (!IsLoopback(text)) v4.emplace_back(text);
    } else if (at->ifa_addr->sa_family == AF_INET6) {
      const auto& address = reinterpret_cast<const sockaddr_in6&>(*at->ifa_addr);
      inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof(text));
      // Link-local ones mean something only together with an interface of the other machine.
      if (!IsLoopback(text) && !IN6_IS_ADDR_LINKLOCAL(&address.sin6_addr)) v6.emplace_back(text);
    }
  }
  freeifaddrs(list);
  v4.insert(v4.end(), v6.begin(), v6.end());
  return v4;
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
    listeners.back().is_inherited = true;
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
