// SPDX-License-Identifier: Apache-2.0
// Sockets whose every wait has an end.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/tls.h"

namespace gemma3n::server {

using Clock = std::chrono::steady_clock;

// How long a peer is waited for that is to take what is sent: a while, which waiting uses up and
// what is taken fills again, at so many bytes a second.
struct Pace {
  std::chrono::duration<double> most;
  double bytes_per_second;
  std::chrono::duration<double> left = most;
};

// A descriptor that is closed with it, plain or under TLS. One thread reads; any may write.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket();
  Socket(Socket&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), tls_(std::move(other.tls_)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(tls_, other.tls_);
    return *this;
  }

  int descriptor() const { return descriptor_; }

  // From here on everything goes through TLS. False when there is none at the deadline; a client
  // that sent a request without it was told so, with `answer_to_plain_http`.
  bool StartTls(const TlsContext& context, Clock::time_point deadline,
                std::string_view answer_to_plain_http);

  enum class Outcome { kDone, kEnd, kLate };  // kEnd: the other side has closed, or it failed
  // Appends what has come to `data`, at most `most` bytes, waiting for the first of them. A
  // deadline that is past: takes what is there.
  Outcome Read(std::string& data, size_t most, Clock::time_point deadline);
  // Sends what is taken at once, and says how much it was; late when that is nothing.
  Outcome WriteSome(std::string_view data, size_t& count);
  // Waits until there is something to read at `wake` or, where that is asked, here, or until more
  // would be taken.
  void Await(bool for_reading, bool for_writing, const Socket& wake,
             Clock::time_point deadline) const;
  // All of it; late when nothing is left of the pace, or of the time.
  Outcome Write(std::string_view data, Pace& pace);
  Outcome Write(std::string_view data, std::chrono::milliseconds patience);
  // The other side will send no more, or is gone altogether.
  bool IsLeft() const;
  void ShutDown();         // both ways: whoever waits for it wakes up
  void ShutDownWriting();  // tells the other side that this is all

 private:
  // One call, without waiting: `count` bytes, or what it wants before the next.
  using Step = TlsChannel::Outcome;
  Step Receive(char* data, size_t size, size_t& count);
  Step Transmit(std::string_view data, size_t& count);
  void TurnAway(std::string_view last_words);

  int descriptor_ = -1;
  std::unique_ptr<TlsChannel> tls_;
};

}  // namespace gemma3n::server
