// SPDX-License-Identifier: Apache-2.0
#include "media/gif_lzw.h"

#include <bit>

namespace gemma3n {

void GifLzw::Reset() {
  next_ = clear_ + 2;  // the codes clear_ and clear_ + 1 (end) stand for no string
  code_bits_ = std::bit_width(static_cast<unsigned>(clear_));
  last_ = -1;
}

std::optional<std::span<const uint8_t>> GifLzw::Expand(int code) {
  if (code == clear_) {
    Reset();
    return std::span<const uint8_t>();
  }
  if (code == clear_ + 1 || code > next_ || (last_ < 0 && code > clear_)) return std::nullopt;
  if (code == next_ && next_ == kMaxCodes) return std::nullopt;
  size_t at = string_.size();
  int walk = code;
  if (code == next_) {  // the string being defined right now: the last one and its own start
    string_[--at] = last_first_;
    walk = last_;
  }
  // Each prefix is smaller than its code, so this ends, in at most kMaxCodes steps.
  for (; walk >= clear_; walk = prefix_[static_cast<size_t>(walk)])
    string_[--at] = suffix_[static_cast<size_t>(walk)];
  string_[--at] = static_cast<uint8_t>(walk);
  const uint8_t first = static_cast<uint8_t>(walk);
  if (last_ >= 0 && next_ < kMaxCodes) {
    prefix_[static_cast<size_t>(next_)] = static_cast<uint16_t>(last_);
    suffix_[static_cast<size_t>(next_)] = first;
    ++next_;
    if (next_ == 1 << code_bits_ && next_ < kMaxCodes) ++code_bits_;
  }
  last_ = code;
  last_first_ = first;
  return std::span<const uint8_t>(string_).subspan(at);
}

}  // namespace gemma3n
