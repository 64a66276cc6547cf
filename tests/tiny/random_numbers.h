// SPDX-License-Identifier: Apache-2.0
// Random numbers that are the same on every machine.
#pragma once

#include <cstdint>

namespace gemma3n {

class RandomNumbers {
 public:
  explicit RandomNumbers(uint64_t seed) : state_(seed) {}

  // A step of SplitMix64 (Steele, Lea, Flood 2014).
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // The sum of four uniform 16-bit numbers is near enough to a normal one.
  float Normal() {
    const uint64_t bits = Next();
    const int64_t sum = static_cast<int64_t>(bits & 0xffff) + (bits >> 16 & 0xffff) +
                        (bits >> 32 & 0xffff) + (bits >> 48);
    return static_cast<float>(sum - 2 * 0xffff) * (1.7320508f / 65536.0f);
  }

 private:
  uint64_t state_;
};

}  // namespace gemma3n
