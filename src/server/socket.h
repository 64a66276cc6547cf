// SPDX-License-Identifier: Apache-2.0
// TCP sockets whose every wait has an end.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemma3n::server {

using Clock = std::chrono::steady_clock;

// A descriptor that is closed with it.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket();
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  int descriptor() const { return descriptor_; }

  enum class Outcome { kDone, kEnd, kLate };  // kEnd: the other side has closed, or it failed
  // Appends what has come to `data`, at most `most` bytes, waiting for the first of them. A
  // deadline that is past: takes what is there.
  Outcome Read(std::string& data, size_t most, Clock::time_point deadline);
  // Sends what is taken at once, and says how much it was; late when that is nothing.
  Outcome WriteSome(std::string_view data, size_t& count);
  // Waits until there is something to read here or at `wake`, or, where that is asked, until more
  // would be taken.
  void Await(bool for_writing, const Socket& wake, Clock::time_point deadline) const;
  // All of it; late when nothing was taken for so long.
  Outcome Write(std::string_view data, std::chrono::milliseconds stalled);
  // The other side will send no more, or is gone altogether.
  bool IsLeft() const;
  void ShutDown();         // both ways: whoever waits for it wakes up
  void ShutDownWriting();  // tells the other side that this is all

 private:
  int descriptor_ = -1;
};

// Where a service listens, and the address as a URL shows it: "127.0.0.1:11434", "[::1]:11434".
struct Listener {
  Socket socket;
  std::string address;
  bool is_loopback = false;
};

// Whether the name or address means this machine alone.
bool IsLoopback(const std::string& host);

// Throws Error (kUsage) when it cannot be had.
std::vector<Listener> ListenOn(const std::string& host, int port);
// What systemd has opened for us (LISTEN_FDS); empty when it has not.
std::vector<Listener> InheritedListeners();
// Tells systemd, where it asked for that (NOTIFY_SOCKET): "READY=1", "STOPPING=1".
void NotifyService(const std::string& state);

}  // namespace gemma3n::server
