// SPDX-License-Identifier: Apache-2.0
#include "server/socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

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

short EventsFor(TlsChannel::Outcome wanted) {
  return wanted == TlsChannel::Outcome::kWantsWrite ? POLLOUT : POLLIN;
}

}  // namespace

Socket::~Socket() {
  if (tls_ != nullptr) tls_->End();
  if (descriptor_ >= 0) close(descriptor_);
}

bool Socket::StartTls(const TlsContext& context, Clock::time_point deadline,
                      std::string_view answer_to_plain_http) {
  std::unique_ptr<TlsChannel> channel = context.Accept(descriptor_);
  while (true) {
    const Step step = channel->Handshake();
    if (step == Step::kDone) break;
    if (step == Step::kEnd) {
      if (channel->IsPlainHttp()) TurnAway(answer_to_plain_http);
      return false;
    }
    if (!server::Await(descriptor_, EventsFor(step), deadline)) return false;
  }
  tls_ = std::move(channel);
  return true;
}

// Says it, and drops for a moment what still comes, else the other side would see a reset instead.
void Socket::TurnAway(std::string_view last_words) {
  constexpr std::chrono::seconds kMoment(1);
  constexpr size_t kMostBytes = 1 << 20;
  Write(last_words, kMoment);
  ShutDownWriting();
  std::string dropped;
  while (dropped.size() < kMostBytes &&
         Read(dropped, 4096, Clock::now() + kMoment) == Outcome::kDone) {
  }
}

Socket::Step Socket::Receive(char* data, size_t size, size_t& count) {
  if (tls_ != nullptr) return tls_->Read(data, size, count);
  const ssize_t received = recv(descriptor_, data, size, MSG_DONTWAIT);
  count = static_cast<size_t>(std::max<ssize_t>(received, 0));
  if (received > 0) return Step::kDone;
  return received < 0 && IsTemporary(errno) ? Step::kWantsRead : Step::kEnd;
}

Socket::Step Socket::Transmit(std::string_view data, size_t& count) {
  if (tls_ != nullptr) return tls_->Write(data, count);
  const ssize_t sent = send(descriptor_, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  count = static_cast<size_t>(std::max<ssize_t>(sent, 0));
  if (sent > 0) return Step::kDone;
  return sent < 0 && IsTemporary(errno) ? Step::kWantsWrite : Step::kEnd;
}

Socket::Outcome Socket::Read(std::string& data, size_t most, Clock::time_point deadline) {
  const size_t before = data.size();
  while (true) {
    size_t count = 0;
    data.resize(before + most);
    const Step step = Receive(data.data() + before, most, count);
    data.resize(before + count);
    if (step == Step::kDone) return Outcome::kDone;
    if (step == Step::kEnd) return Outcome::kEnd;
    if (!server::Await(descriptor_, EventsFor(step), deadline)) return Outcome::kLate;
  }
}

Socket::Outcome Socket::WriteSome(std::string_view data, size_t& count) {
  switch (Transmit(data, count)) {
    case Step::kDone:
      return Outcome::kDone;
    case Step::kEnd:
      return Outcome::kEnd;
    default:
      return Outcome::kLate;
  }
}

Socket::Outcome Socket::Write(std::string_view data, Pace& pace) {
  while (!data.empty()) {
    size_t count = 0;
    const Step step = Transmit(data, count);
    data.remove_prefix(count);
    pace.left += std::chrono::duration<double>(static_cast<double>(count) / pace.bytes_per_second);
    pace.left = std::min(pace.left, pace.most);
    if (step == Step::kDone) continue;
    if (step == Step::kEnd) return Outcome::kEnd;
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::ceil<Clock::duration>(pace.left);
    if (!server::Await(descriptor_, EventsFor(step), end)) return Outcome::kLate;
    pace.left -= Clock::now() - begin;
  }
  return Outcome::kDone;
}

Socket::Outcome Socket::Write(std::string_view data, std::chrono::milliseconds patience) {
  Pace pace{patience, std::numeric_limits<double>::infinity()};
  return Write(data, pace);
}

void Socket::Await(bool for_reading, bool for_writing, const Socket& wake,
                   Clock::time_point deadline) const {
  if (for_reading && tls_ != nullptr && tls_->HasPending()) return;
  const int events = (for_reading ? POLLIN : 0) | (for_writing ? POLLOUT : 0);
  pollfd wanted[] = {{descriptor_, static_cast<short>(events), 0}, {wake.descriptor(), POLLIN, 0}};
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
  if (tls_ != nullptr) tls_->End();
  shutdown(descriptor_, SHUT_WR);
}

}  // namespace gemma3n::server
