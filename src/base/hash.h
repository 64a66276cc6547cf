// SPDX-License-Identifier: Apache-2.0
// Hashes for tables whose keys come out of files and prompts. Somebody may have written them to
// collide, so each process mixes in a number nobody outside knows. Nothing that leaves the tables
// depends on it.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace gemma3n {

// Chosen once per process.
uint64_t HashSeed();

inline uint64_t MixHash(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t HashNumber(uint64_t value, uint64_t seed) {
  return MixHash(value ^ seed, 0x9E3779B97F4A7C15u ^ (seed << 1));
}

inline uint64_t HashBytes(std::string_view bytes, uint64_t seed) {
  uint64_t hash = seed ^ (bytes.size() * 0x9E3779B97F4A7C15u);
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    hash = MixHash(hash ^ word, 0xD6E8FEB86659FD93u);
  }
  if (left > 0) {
    uint64_t word = 0;
    std::memcpy(&word, at, left);
    hash = MixHash(hash ^ word, 0xA0761D6478BD642Fu);
  }
  return MixHash(hash, 0xE7037ED1A0B428DBu ^ seed);
}

// For the standard library's tables of strings, whose own hash is the same in every process.
struct SeededHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return HashBytes(text, HashSeed()); }
};

}  // namespace gemma3n
