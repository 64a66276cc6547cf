// SPDX-License-Identifier: Apache-2.0
// GIF's LZW: the bytes of a frame's sub-blocks -> palette indices, strictly. giflib's own takes
// codes that were never defined; here they are an error, as in Pillow.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace gemma3n {

class GifLzw {
 public:
  // `bits` is the least code size of the file, 1 to 8 (0 is refused by giflib before).
  explicit GifLzw(int bits) : clear_(1 << bits) { Reset(); }

  // Takes one byte; appends what it completes with put(index). False when the data is damaged or
  // the end code was met.
  template <class Put>
  bool Take(uint8_t byte, Put put) {
    held_ |= uint32_t{byte} << held_bits_;
    held_bits_ += 8;
    while (held_bits_ >= code_bits_) {
      const int code = static_cast<int>(held_ & ((1u << code_bits_) - 1));
      held_ >>= code_bits_;
      held_bits_ -= code_bits_;
      const std::optional<std::span<const uint8_t>> string = Expand(code);
      if (!string) return false;
      for (const uint8_t index : *string) put(index);
    }
    return true;
  }

 private:
  static constexpr int kMaxCodes = 4096;  // 12 bits

  void Reset();
  std::optional<std::span<const uint8_t>> Expand(int code);

  int clear_;
  int code_bits_ = 0, next_ = 0, last_ = -1;
  uint8_t last_first_ = 0;  // the first index of the last string
  uint32_t held_ = 0;
  int held_bits_ = 0;
  std::array<uint16_t, kMaxCodes> prefix_ = {};
  std::array<uint8_t, kMaxCodes> suffix_ = {};
  std::array<uint8_t, kMaxCodes + 1> string_ = {};  // filled from its end
};

}  // namespace gemma3n
