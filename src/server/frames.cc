// SPDX-License-Identifier: Apache-2.0
#include "server/frames.h"

#include <openssl/evp.h>

#include <algorithm>
#include <utility>

#include "server/base64.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostControlBytes = 125;

bool IsControl(Opcode opcode) {
  return static_cast<uint8_t>(opcode) >= 8;
}

// Well-formed UTF-8 (Unicode 15, table 3-7): no overlong forms, no surrogates, nothing beyond
// U+10FFFF.
bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t at) {
      return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
    };
    const unsigned first = byte(i);
    size_t more;                         // bytes that follow
    unsigned least = 0x80, most = 0xBF;  // of the second
    if (first < 0x80) {
      more = 0;
    } else if (first >= 0xC2 && first <= 0xDF) {
      more = 1;
    } else if (first >= 0xE0 && first <= 0xEF) {
      more = 2;
      if (first == 0xE0) least = 0xA0;
      if (first == 0xED) most = 0x9F;
    } else if (first >= 0xF0 && first <= 0xF4) {
      more = 3;
      if (first == 0xF0) least = 0x90;
      if (first == 0xF4) most = 0x8F;
    } else {
      return false;
    }
    if (more > 0 && (byte(i + 1) < least || byte(i + 1) > most)) return false;
    for (size_t k = 2; k <= more; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return false;
    }
    i += more + 1;
  }
  return true;
}

// Those that a peer may send (RFC 6455, 7.4, and IANA's register).
bool IsCloseCode(int code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

}  // namespace

void FrameReader::Add(std::string_view bytes) {
  bytes_.erase(0, used_);
  used_ = 0;
  bytes_ += bytes;
}

// True when the head of a frame is read, false when it has not all come.
bool FrameReader::ReadHead() {
  const auto byte = [this](size_t at) { return static_cast<uint8_t>(bytes_[used_ + at]); };
  const size_t have = bytes_.size() - used_;
  if (have < 2) return false;
  const unsigned first = byte(0), second = byte(1) & 0x7F;
  if ((first & 0x70) != 0) throw BrokenFrame{kProtocolError, "a reserved bit is set"};
  const unsigned opcode = first & 0x0F;
  if (opcode > 10 || (opcode > 2 && opcode < 8)) {
    throw BrokenFrame{kProtocolError, "unknown opcode " + std::to_string(opcode)};
  }
  opcode_ = static_cast<Opcode>(opcode);
  is_last_ = (first & 0x80) != 0;
  if ((byte(1) & 0x80) == 0) throw BrokenFrame{kProtocolError, "a client's frame is not masked"};
  if (IsControl(opcode_) && (!is_last_ || second > kMostControlBytes)) {
    throw BrokenFrame{kProtocolError, "a control frame in fragments or of more than 125 bytes"};
  }
  const size_t length_bytes = second == 127 ? 8 : second == 126 ? 2 : 0;
  if (have < 2 + length_bytes + sizeof(mask_)) return false;
  left_ = length_bytes == 0 ? second : 0;
  for (size_t i = 0; i < length_bytes; ++i) left_ = left_ << 8 | byte(2 + i);
  if ((length_bytes == 2 && left_ < 126) || (length_bytes == 8 && left_ < 65536)) {
    throw BrokenFrame{kProtocolError, "a length that is longer than it need be"};
  }
  std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(used_ + 2 + length_bytes), sizeof(mask_),
              mask_);
  mask_place_ = 0;
  used_ += 2 + length_bytes + sizeof(mask_);
  if (IsControl(opcode_)) return true;

  if ((opcode_ == Opcode::kMore) != message_kind_.has_value()) {
    throw BrokenFrame{kProtocolError,
                      message_kind_ ? "a message within a message" : "a fragment of no message"};
  }
  if (!message_kind_) message_kind_ = opcode_;
  if (++fragments_ > most_fragments_) {
    throw BrokenFrame{kPolicyViolation,
                      "more than " + std::to_string(most_fragments_) + " fragments"};
  }
  if (left_ > most_bytes_ - message_.size()) {
    throw BrokenFrame{kMessageTooBig,
                      "a message of more than " + std::to_string(most_bytes_) + " bytes"};
  }
  return true;
}

std::optional<Frame> FrameReader::Next() {
  while (true) {
    if (!in_frame_ && !ReadHead()) return std::nullopt;
    in_frame_ = true;
    std::string& to = IsControl(opcode_) ? control_ : message_;
    const size_t count = std::min<uint64_t>(left_, bytes_.size() - used_);
    const size_t before = to.size();
    to.append(bytes_, used_, count);
    for (size_t i = before; i < to.size(); ++i) {
      to[i] = static_cast<char>(to[i] ^ mask_[mask_place_++ & 3]);
    }
    used_ += count;
    left_ -= count;
    if (left_ > 0) return std::nullopt;
    in_frame_ = false;
    if (IsControl(opcode_) || is_last_) return Finish();
  }
}

// Takes the control frame or message that is whole now.
std::optional<Frame> FrameReader::Finish() {
  if (!IsControl(opcode_)) {
    Frame message{.opcode = *message_kind_, .data = std::exchange(message_, {})};
    message_kind_.reset();
    fragments_ = 0;
    if (message.opcode == Opcode::kText && !IsUtf8(message.data)) {
      throw BrokenFrame{kNotUtf8, "a text that is not UTF-8"};
    }
    return message;
  }
  Frame frame{.opcode = opcode_, .data = std::exchange(control_, {})};
  if (opcode_ != Opcode::kClose || frame.data.empty()) return frame;
  if (frame.data.size() == 1) throw BrokenFrame{kProtocolError, "half a close code"};
  frame.code = static_cast<uint8_t>(frame.data[0]) << 8 | static_cast<uint8_t>(frame.data[1]);
  frame.data.erase(0, 2);
  if (!IsCloseCode(frame.code)) {
    throw BrokenFrame{kProtocolError, "close code " + std::to_string(frame.code)};
  }
  if (!IsUtf8(frame.data)) throw BrokenFrame{kNotUtf8, "a reason that is not UTF-8"};
  return frame;
}

std::string FrameBytes(Opcode opcode, std::string_view payload) {
  const uint64_t size = payload.size();
  std::string bytes(1, static_cast<char>(0x80 | static_cast<uint8_t>(opcode)));
  const int length_bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
  bytes += static_cast<char>(length_bytes == 0 ? size : length_bytes == 2 ? 126 : 127);
  for (int i = length_bytes - 1; i >= 0; --i) bytes += static_cast<char>(size >> (8 * i) & 0xFF);
  return bytes.append(payload);
}

std::string ClosePayload(int code, std::string_view reason) {
  size_t most = std::min(reason.size(), kMostControlBytes - 2);
  while (most < reason.size() && most > 0 && (reason[most] & 0xC0) == 0x80) --most;
  std::string payload = {static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)};
  return payload.append(reason.substr(0, most));
}

std::optional<std::string> AcceptKey(const std::string& key) {
  if (const auto bytes = DecodeBase64(key); !bytes || bytes->size() != 16) return std::nullopt;
  const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[EVP_MAX_MD_SIZE], encoded[2 * EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr) != 1) {
    return std::nullopt;
  }
  const int length = EVP_EncodeBlock(encoded, digest, static_cast<int>(size));
  return std::string(encoded, encoded + length);
}

}  // namespace gemma3n::server
