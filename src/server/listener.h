// SPDX-License-Identifier: Apache-2.0
// Where a service listens: addresses of this machine, and what a service manager hands over.
#pragma once

#include <string>
#include <vector>

#include "server/socket.h"

namespace gemma3n::server {

// Where a service listens, and the address as a URL shows it: "127.0.0.1:11434", "[::1]:11434".
struct Listener {
  Socket socket;
  std::string address;
  bool is_loopback = false;
  bool is_inherited = false;  // somebody else holds it, too
};

// Whether the name or address means this machine alone.
bool IsLoopback(const std::string& host);

// Throws Error (kUsage) when it cannot be had.
std::vector<Listener> ListenOn(const std::string& host, int port);
// On all addresses of this machine, of IPv4 and, where there is one, IPv6.
std::vector<Listener> ListenEverywhere(int port);
// The addresses of this machine by which others can reach it, IPv4's first.
std::vector<std::string> MachineAddresses();
// What systemd has opened for us (LISTEN_FDS); empty when it has not.
std::vector<Listener> InheritedListeners();
// Tells systemd, where it asked for that (NOTIFY_SOCKET): "READY=1", "STOPPING=1".
void NotifyService(const std::string& state);

}  // namespace gemma3n::server
