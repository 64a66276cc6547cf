// SPDX-License-Identifier: Apache-2.0
// Logits of scored positions, kept for comparison with another model: a safetensors file of
// "logits" F32 [positions, vocabulary] and "targets" I32 [positions], the tokens that stood there.
// Whole and in float32, because a divergence is a sum over the whole vocabulary: 4 bytes for each
// of its entries and position, 1.05 MB a position of Gemma 3n's 262,400.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <vector>

#include "checkpoint/safetensors.h"

namespace gemma3n {

// Written under a temporary name, renamed when complete. Throws Error (kUsage, kResources).
class LogitsWriter {
 public:
  LogitsWriter(const std::filesystem::path& path, int64_t vocabulary);
  ~LogitsWriter();  // removes what was not finished
  LogitsWriter(const LogitsWriter&) = delete;
  LogitsWriter& operator=(const LogitsWriter&) = delete;

  // logits [targets.size(), vocabulary]
  void Add(std::span<const float> logits, std::span<const int32_t> targets);
  void Finish();

 private:
  void Check();

  std::filesystem::path path_, temporary_;
  std::ofstream file_;
  int64_t vocabulary_;
  std::vector<int32_t> targets_;
  bool finished_ = false;
};

class LogitsReader {
 public:
  // Throws Error (kModel) for what is no such file, and (kUsage) for another vocabulary.
  LogitsReader(const std::filesystem::path& path, int64_t vocabulary);

  // The next `targets.size()` rows of logits, in the mapped file. Throws Error (kUsage) where the
  // file holds other tokens, or no more.
  std::span<const float> Next(std::span<const int32_t> targets);
  // Throws Error (kUsage) when there are rows left.
  void CheckEnd() const;

 private:
  Safetensors file_;
  int64_t vocabulary_;
  std::span<const float> logits_;
  std::span<const int32_t> targets_;
  size_t at_ = 0;
};

}  // namespace gemma3n
