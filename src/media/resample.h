// SPDX-License-Identifier: Apache-2.0
// Mono samples at any rate -> 16 kHz, piece by piece, through libsoxr's "HQ" recipe (20 bits of
// precision, linear phase): what librosa uses unless told otherwise. The samples that come out do
// not depend on the sizes of the pieces. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace gemma3n {

inline constexpr int kModelSampleRateHz = 16000;

class Resampler {
 public:
  explicit Resampler(int from_hz);
  ~Resampler();
  Resampler(Resampler&&) noexcept;
  Resampler& operator=(Resampler&&) noexcept;

  int from_hz() const { return from_hz_; }
  // Appends to `out` what is ready; at 16 kHz that is `samples` itself.
  void Push(std::span<const float> samples, std::vector<float>& out);
  // Appends the rest, so that ceil(pushed * 16000 / from_hz) samples came out in all.
  void Finish(std::vector<float>& out);

 private:
  struct Engine;
  void Pull(const float* samples, size_t count, std::vector<float>& out);

  int from_hz_;
  uint64_t pushed_ = 0;
  uint64_t pulled_ = 0;
  std::unique_ptr<Engine> engine_;  // null when nothing is to be done
};

}  // namespace gemma3n
