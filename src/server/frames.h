// SPDX-License-Identifier: Apache-2.0
// The frames of WebSockets (RFC 6455, without extensions): bytes to messages, strictly, and back.
// Nothing here waits or knows of sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gemma3n::server {

enum class Opcode : uint8_t {
  kMore = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10
};

// Codes of a close frame that we send.
constexpr int kNormalClosure = 1000, kGoingAway = 1001, kProtocolError = 1002, kNotUtf8 = 1007,
              kPolicyViolation = 1008, kMessageTooBig = 1009, kInternalFailure = 1011;

// Thrown: the peer broke a rule, and hears of it in a close frame.
struct BrokenFrame {
  int code;
  std::string reason;
};

// A message, put together of its fragments, or a control frame.
struct Frame {
  Opcode opcode = Opcode::kText;  // never kMore
  std::string data;               // of a close frame: the reason
  int code = 0;                   // of a close frame; 0: it has none
};

// Takes a client's bytes as they come. Memory grows with what has come, never with what a length
// announces.
class FrameReader {
 public:
  FrameReader(uint64_t most_message_bytes, size_t most_fragments)
      : most_bytes_(most_message_bytes), most_fragments_(most_fragments) {}

  void Add(std::string_view bytes);
  // The next that is whole; nothing when more must come. Throws BrokenFrame, behind which there is
  // no telling where a frame begins: nothing may be asked any more.
  std::optional<Frame> Next();

 private:
  bool ReadHead();
  std::optional<Frame> Finish();

  const uint64_t most_bytes_;
  const size_t most_fragments_;
  std::string bytes_;  // came and is not read yet, from used_ on
  size_t used_ = 0;

  bool in_frame_ = false;  // its head is read, its payload is not all here
  bool is_last_ = false;
  Opcode opcode_ = Opcode::kMore;
  uint64_t left_ = 0;  // of its payload
  uint8_t mask_[4] = {};
  size_t mask_place_ = 0;
  std::string control_;  // the payload of a control frame

  std::optional<Opcode> message_kind_;  // of the message under way
  std::string message_;
  size_t fragments_ = 0;
};

// A frame of a server, which is whole and unmasked.
std::string FrameBytes(Opcode opcode, std::string_view payload);
// The payload of a close frame; the reason is cut where it is too long for one.
std::string ClosePayload(int code, std::string_view reason);

// Sec-WebSocket-Accept for a client's Sec-WebSocket-Key; nothing when that is not 16 bytes in
// base64.
std::optional<std::string> AcceptKey(const std::string& key);

}  // namespace gemma3n::server
