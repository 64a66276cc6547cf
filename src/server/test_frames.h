// SPDX-License-Identifier: Apache-2.0
// A client's frames, as they should be and otherwise.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gemma3n::server {

constexpr int kLast = 0x80, kMasked = 0x80;

// `first`: kLast and reserved bits and opcode. The mask is fixed.
inline std::string ClientFrame(int first, std::string_view payload, int masked = kMasked) {
  std::string frame(1, static_cast<char>(first));
  const uint64_t size = payload.size();
  const int length_bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
  frame += static_cast<char>(masked | (length_bytes == 0   ? static_cast<int>(size)
                                       : length_bytes == 2 ? 126
                                                           : 127));
  for (int i = length_bytes - 1; i >= 0; --i) frame += static_cast<char>(size >> (8 * i) & 0xFF);
  constexpr std::string_view kMask = "\x12\x34\x56\x78";
  if (masked == 0) return frame.append(payload);
  frame += kMask;
  for (size_t i = 0; i < payload.size(); ++i) {
    frame += static_cast<char>(payload[i] ^ kMask[i % kMask.size()]);
  }
  return frame;
}

inline std::string ClientText(std::string_view text) {
  return ClientFrame(kLast | 1, text);
}

}  // namespace gemma3n::server
