// SPDX-License-Identifier: Apache-2.0
// What is sent goes into a buffer under a mutex and from there to the socket, as much as it takes
// at once, by whoever holds the mutex: a sender never waits for the peer. What the socket does not
// take is left to the reading thread, which is woken. A peer that leaves much of it unread is not
// heard meanwhile, so that what its own messages bring back is bounded.
#include "server/websocket.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>

#include "server/frames.h"

namespace gemma3n::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kPieceBytes = 64 << 10;       // read at a time
constexpr uint64_t kLingerBytes = 128u << 20;  // dropped of what a refused peer still sends
constexpr milliseconds kGlance(250);           // the service may close meanwhile
constexpr milliseconds kLastWords(3000);       // to tell the ends of answers, when it closes
constexpr milliseconds kGoodbye(5000);         // that the peer has to answer a close frame
constexpr int kControlFramesPerSecond = 100;   // of a peer
constexpr uint64_t kEchoes = 2;                // of a message: an item comes back added, and done

double Seconds(Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

class OpenWebSocket : public WebSocket {
 public:
  OpenWebSocket(Socket& socket, std::string_view came, const ServerLimits& limits,
                const Closing& closing, std::atomic<uint64_t>& sent_bytes)
      : socket_(socket),
        limits_(limits),
        closing_(closing),
        sent_bytes_(sent_bytes),
        frames_(limits.websocket_message_bytes, limits.websocket_fragments),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    frames_.Add(came);
  }

  ~OpenWebSocket() override {
    try {
      if (std::uncaught_exceptions() > 0) {
        Close(kInternalFailure, "internal error");
      } else {
        Close(kNormalClosure, "");
      }
      for (Message unheard; Read(unheard, Clock::time_point::max()) != Outcome::kClosed;) {
      }
      Finish();
    } catch (const std::bad_alloc&) {  // without a goodbye, then
    }
  }

  Outcome Read(Message& message, Clock::time_point deadline) override {
    bool is_late = false;
    while (!ended_) {
      try {
        while (std::optional<Frame> frame = IsHeard() ? frames_.Next() : std::nullopt) {
          const bool is_text = frame->opcode == Opcode::kText;
          if (!is_text && frame->opcode != Opcode::kBinary) {
            Answer(*frame);
          } else if (!said_goodbye_) {
            message = {is_text, std::move(frame->data)};
            return Outcome::kMessage;
          }
        }
      } catch (const BrokenFrame& broken) {
        Close(broken.code, broken.reason);
        lingers_ = ended_ = true;
      }
      if (ended_) break;
      if (is_late) return Outcome::kLate;
      const auto now = Clock::now();
      HeedTime(now);
      is_late = now >= deadline;
      Receive(std::min(deadline, now + kGlance));
    }
    return Outcome::kClosed;
  }

  void Hold(bool held) override { held_ = held; }

  std::optional<Clock::time_point> ends_at() const override {
    return closing_.begun ? std::optional(closing_.until) : std::nullopt;
  }

  bool Send(std::string_view text) override { return Put(Opcode::kText, text); }

  void Close(int code, std::string_view reason) override {
    Put(Opcode::kClose, ClosePayload(code, reason));
  }

 private:
  // Appends a frame and sends what the socket takes. Nothing follows a close frame.
  bool Put(Opcode opcode, std::string_view payload) {
    const std::lock_guard lock(mutex_);
    if (said_goodbye_ || failed_) return false;
    if (opcode == Opcode::kClose) {
      goodbye_at_ = Clock::now();
      said_goodbye_ = true;
    }
    output_ += FrameBytes(opcode, payload);
    Flush();
    if (Unread() > limits_.websocket_unread_bytes + kEchoes * limits_.websocket_message_bytes) {
      Fail();
    }
    if (failed_ || said_goodbye_ || !output_.empty()) Wake();
    return !failed_;
  }

  // Under the mutex.
  uint64_t Unread() const { return output_.size() - output_sent_; }

  // Whether the peer's next frame is taken on.
  bool IsHeard() {
    const std::lock_guard lock(mutex_);
    const bool held = held_ && !said_goodbye_;
    return !ended_ && !held && Unread() <= limits_.websocket_unread_bytes;
  }

  // Under the mutex.
  void Flush() {
    while (!failed_ && output_sent_ < output_.size()) {
      size_t count = 0;
      switch (socket_.WriteSome(std::string_view(output_).substr(output_sent_), count)) {
        case Socket::Outcome::kDone:
          output_sent_ += count;
          sent_bytes_ += count;
          took_some_ = true;
          break;
        case Socket::Outcome::kLate:  // it takes no more now
          if (output_sent_ > output_.size() / 2) {
            output_.erase(0, output_sent_);
            output_sent_ = 0;
          }
          return;
        case Socket::Outcome::kEnd:
          Fail();
      }
    }
    output_.clear();
    output_sent_ = 0;
  }

  void Fail() {
    failed_ = true;
    socket_.ShutDown();
  }

  void Wake() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_.descriptor(), &one, sizeof(one));
  }

  void Answer(const Frame& frame) {
    const auto now = Clock::now();
    if (now - second_ >= seconds(1)) {
      second_ = now;
      control_frames_ = 0;
    }
    if (++control_frames_ > kControlFramesPerSecond) {
      throw BrokenFrame{kPolicyViolation, "too many control frames"};
    }
    if (frame.opcode == Opcode::kPing) Put(Opcode::kPong, frame.data);
    if (frame.opcode != Opcode::kClose) return;
    // Answered with its own code, if ours was not the first; then both have said it.
    Put(Opcode::kClose, frame.code == 0 ? "" : ClosePayload(frame.code, ""));
    ended_ = true;
  }

  // What is due without the peer: pings, and closing with the service.
  void HeedTime(Clock::time_point now) {
    if (closing_.begun && now >= closing_.until + kLastWords) {
      Close(kGoingAway, "the server is shutting down");
    }
    if (Seconds(now - pinged_at_) > limits_.websocket_ping_seconds) {
      pinged_at_ = now;
      if (!unanswered_since_) unanswered_since_ = now;
      Put(Opcode::kPing, "");
    }
    const std::lock_guard lock(mutex_);
    if (failed_ || (said_goodbye_ && now - goodbye_at_ > kGoodbye)) ended_ = true;
  }

  // Waits for something to come or to become sendable, and takes both on.
  void Receive(Clock::time_point deadline) {
    const bool is_heard = IsHeard();
    bool is_waiting;
    {
      const std::lock_guard lock(mutex_);
      is_waiting = !output_.empty();
      took_some_ = false;
    }
    socket_.Await(is_heard, is_waiting, wake_, deadline);
    uint64_t wakes;
    [[maybe_unused]] const ssize_t count = read(wake_.descriptor(), &wakes, sizeof(wakes));
    bool is_there = is_heard && TakeIn();
    {
      const std::lock_guard lock(mutex_);
      Flush();
      // What a full socket takes, the peer has taken. Else a buffer on the way may have.
      is_there |= !is_heard && took_some_;
    }
    if (is_there || held_) unanswered_since_.reset();
    // Time in which we did not listen is not held against the peer: what counts is a ping.
    ended_ |=
        unanswered_since_ && Seconds(Clock::now() - *unanswered_since_) >
                                 limits_.websocket_silent_seconds - limits_.websocket_ping_seconds;
  }

  // Takes what has come. False when nothing has.
  bool TakeIn() {
    std::string came;
    const Socket::Outcome outcome = socket_.Read(came, kPieceBytes, Clock::time_point::min());
    if (outcome == Socket::Outcome::kDone) frames_.Add(came);
    if (outcome == Socket::Outcome::kEnd) ended_ = true;
    return outcome == Socket::Outcome::kDone;
  }

  // Sends what is left to say. Where the peer broke a rule, what still comes is dropped: a socket
  // that is closed over unread bytes resets the connection, and the peer would not see why.
  void Finish() {
    {
      const std::lock_guard lock(mutex_);
      if (failed_) return;
      Pace pace{kGoodbye, limits_.body_bytes_per_second};
      socket_.Write(std::string_view(output_).substr(output_sent_), pace);
    }
    socket_.ShutDownWriting();
    const auto end = Clock::now() + kGoodbye;
    std::string dropped;
    for (uint64_t bytes = 0; lingers_ && bytes < kLingerBytes; bytes += dropped.size()) {
      dropped.clear();
      if (socket_.Read(dropped, kPieceBytes, end) != Socket::Outcome::kDone) break;
    }
  }

  Socket& socket_;
  const ServerLimits& limits_;
  const Closing& closing_;
  std::atomic<uint64_t>& sent_bytes_;

  // The reading thread's.
  FrameReader frames_;
  bool held_ = false;     // nothing is read for a while
  bool ended_ = false;    // nothing is read any more
  bool lingers_ = false;  // ... but what comes is dropped for a while
  Clock::time_point pinged_at_ = Clock::now();
  std::optional<Clock::time_point> unanswered_since_;  // a ping behind which nothing came
  Clock::time_point second_;                           // in which control frames are counted
  int control_frames_ = 0;

  const Socket wake_;  // readable when the reading thread should look
  std::mutex mutex_;   // of what follows
  std::string output_;
  size_t output_sent_ = 0;  // of output_
  bool took_some_ = false;  // the socket did, since it was last asked
  std::atomic<bool> said_goodbye_ = false;
  bool failed_ = false;  // the peer takes nothing any more
  Clock::time_point goodbye_at_;
};

}  // namespace

std::unique_ptr<WebSocket> MakeWebSocket(Socket& socket, std::string came,
                                         const ServerLimits& limits, const Closing& closing,
                                         std::atomic<uint64_t>& sent_bytes) {
  return std::make_unique<OpenWebSocket>(socket, came, limits, closing, sent_bytes);
}

}  // namespace gemma3n::server
