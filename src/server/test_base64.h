// SPDX-License-Identifier: Apache-2.0
// Base64, written the plain way, for tests.
#pragma once

#include <string>
#include <utility>

namespace gemma3n::server {

inline constexpr char kAlphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Bit by bit.
inline std::string Encode(const std::string& bytes) {
  std::string text;
  int bits = 0, count = 0;
  for (const char c : bytes) {
    for (int bit = 7; bit >= 0; --bit) {
      bits = bits << 1 | (static_cast<unsigned char>(c) >> bit & 1);
      if (++count % 6 == 0) text += kAlphabet[std::exchange(bits, 0)];
    }
  }
  for (; count % 6 != 0; ++count) {
    bits <<= 1;
    if ((count + 1) % 6 == 0) text += kAlphabet[bits];
  }
  while (text.size() % 4 != 0) text += '=';
  return text;
}

}  // namespace gemma3n::server
